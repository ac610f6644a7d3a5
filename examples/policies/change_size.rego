package terraform.change_size

changes := count([1 |
	some resource in input.plan.resource_changes
	not resource.change.actions in [["no-op"], ["read"]]
])

created := time.parse_rfc3339_ns(input.run.created_at)

zone := data.settings.work.zone

at_work if {
	hour := time.clock([created, zone])[0]
	hour >= data.settings.work.from
	hour < data.settings.work.to
	not time.weekday([created, zone]) in data.settings.work.free
}

most := data.settings.most_changes.at_work if at_work

most := data.settings.most_changes.otherwise if not at_work

deny contains message if {
	changes > most
	message := sprintf("%d changes at once; at this hour %d at most", [changes, most])
}
