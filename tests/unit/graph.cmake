mcvd_add_test(NAME unit_graph SOURCES unit/test_graph.c AREAS model ops graph core TIMEOUT 300)
