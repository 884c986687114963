"""What Azure is to hold: templates of its resources, and the builder of the package that is deployed to them."""
