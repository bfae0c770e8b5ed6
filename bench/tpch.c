#include "bench/bench.h"
void part_generate(const char *file, double scale)
{
  (void)file;
  (void)scale;
}
void part_tpch(const char *ext, int argc, char **argv)
{
  (void)ext;
  (void)argc;
  (void)argv;
}
