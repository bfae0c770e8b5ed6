#!/bin/sh
# banned.sh: calls that have no place inside someone else's process. Comments
# and strings do not count; `/* allowed: reason */` on its line lets one pass.
set -eu

calls='strcpy strcat sprintf vsprintf gets strtok strncpy strncat atoi atol atof
localtime gmtime ctime asctime exit _exit abort printf puts putchar signal
sigaction system popen alloca setenv putenv rand srand'
pattern=$(echo "$calls" | tr -s ' \n' '|' | sed 's/|$//')

bad=0
for f in sqlite-fed.c base/*.[ch] drv/*.[ch] pool/*.[ch] tx/*.[ch] \
  vtab/*.[ch] migrate/*.[ch] cache/*.[ch] entity/*.[ch] ext/*.[ch]; do
  [ -e "$f" ] || continue
  # Blank out comments and literals, keep the line numbers.
  awk -v file="$f" -v pattern="(^|[^A-Za-z0-9_.>])($pattern)[ ]*[(]" '
    {
      line = $0
      gsub(/\\./, "", line)
      if (!within) gsub(/"[^"]*"/, "\"\"", line)
      out = ""
      while (line != "") {
        if (within) {
          i = index(line, "*/")
          if (!i) break
          within = 0
          line = substr(line, i + 2)
        } else {
          i = index(line, "/*")
          if (!i) { out = out line; break }
          out = out substr(line, 1, i - 1) " "
          within = 1
          line = substr(line, i + 2)
        }
      }
      if (match(out, pattern) && !index($0, "/* allowed: ")) {
        printf "%s:%d: banned call: %s\n", file, NR, $0
        found = 1
      }
    }
    END { exit found }' "$f" || bad=1
done
exit $bad
