package terraform.regions

# A resource that says its region, and the providers' own.
deny contains message if {
	some resource in input.plan.resource_changes
	region := resource.change.after.region
	is_string(region)
	not region in data.settings.regions
	message := sprintf("%s would be in %s; allowed: %s", [resource.address, region, concat(", ", data.settings.regions)])
}

deny contains message if {
	some name, provider in input.plan.configuration.provider_config
	region := provider.expressions.region.constant_value
	not region in data.settings.regions
	message := sprintf("provider %s works in %s; allowed: %s", [name, region, concat(", ", data.settings.regions)])
}
