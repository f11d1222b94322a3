"""An AWS on loopback to try everything against: AppStream's image builders by us, the rest by moto's server."""
