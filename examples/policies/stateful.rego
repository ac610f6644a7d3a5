package terraform.stateful

# What holds data is neither destroyed nor replaced; `removed` blocks and imports are no destruction.
deny contains message if {
	some resource in input.plan.resource_changes
	resource.type in data.settings.stateful_types
	"delete" in resource.change.actions
	message := sprintf("%s holds data and would be %s", [resource.address, fate(resource)])
}

fate(resource) := "replaced" if "create" in resource.change.actions

fate(resource) := "destroyed" if not "create" in resource.change.actions
