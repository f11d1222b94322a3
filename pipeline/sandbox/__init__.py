"""An AWS on loopback for the demo and the tests: AppStream is implemented here, moto's server answers the rest.

It knows nothing of the other folders; only `cli` and the tests import it.
"""
