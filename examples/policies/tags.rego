package terraform.tags

# Of what has tags at all, and is made or changed. A value that is known only after the apply counts as set.
deny contains message if {
	some resource in input.plan.resource_changes
	some action in ["create", "update"]
	action in resource.change.actions
	"tags" in object.keys(resource.change.after)
	lacking := {tag | some tag in data.settings.required_tags; not has(resource.change, tag)}
	count(lacking) > 0
	message := sprintf("%s lacks the tags %s", [resource.address, concat(", ", sort(lacking))])
}

has(change, tag) if change.after.tags[tag] != ""

has(change, tag) if change.after.tags_all[tag] != ""

has(change, tag) if change.after_unknown.tags[tag] == true
