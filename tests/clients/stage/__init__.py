"""The stage of the clients' test: servers, a balancer, recorders in between, and the search for foreign marks."""
