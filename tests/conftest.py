"""Makes the modules beside this file (engines, servers and clients for tests) importable from every test."""
