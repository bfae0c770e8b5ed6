/* bench EXT PART [argument ...]: see bench.h. */
#include "bench/bench.h"

int main(int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*run)(const char *ext, const char *backend);
  } part[] = {
    {"scan",   part_scan  },
    {"memory", part_memory},
    {"lookup", part_lookup},
    {"join",   part_join  },
    {"write",  part_write },
  };

  if (argc < 4) bench_die("usage", "bench EXT PART ARGUMENT ...");
  for (size_t i = 0; i < sizeof part / sizeof *part; i++)
    if (strcmp(argv[2], part[i].name) == 0) {
      part[i].run(argv[1], argv[3]);
      return 0;
    }
  if (strcmp(argv[2], "tpch-generate") == 0)
    part_generate(argv[3], argc > 4 ? atof(argv[4]) : 0.1);
  else if (strcmp(argv[2], "tpch") == 0)
    part_tpch(argv[1], argc - 3, argv + 3);
  else
    bench_die(argv[2], "no such part");
  return 0;
}
