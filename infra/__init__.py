"""Templates of the Azure resources, and the builder of the deployment package."""
