mcvd_add_test(NAME unit_graph SOURCES unit/test_graph.c AREAS model ops graph core TIMEOUT 300)
mcvd_add_test(NAME unit_graph_view SOURCES unit/test_graph_view.c support/gradcheck.c
    AREAS ops graph core)
mcvd_add_test(NAME unit_graph_hold SOURCES unit/test_graph_hold.c AREAS ops graph core)
