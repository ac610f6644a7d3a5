package terraform.ingress

anywhere := {"0.0.0.0/0", "::/0"}

deny contains message if {
	some resource in input.plan.resource_changes
	some rule in opened(resource)
	some cidr in rule.cidrs
	cidr in anywhere
	not harmless(rule)
	message := sprintf("%s opens ports %v to %v to the world (%s)", [resource.address, rule.from, rule.to, cidr])
}

# One port, and one that may be open. Protocol "-1" is every port, whatever the numbers say.
harmless(rule) if {
	rule.from == rule.to
	rule.from in data.settings.open_ports
	rule.protocol != "-1"
}

opened(resource) := [rule |
	resource.type == "aws_security_group"
	some ingress in resource.change.after.ingress
	rule := described(ingress, list(ingress, "cidr_blocks"), list(ingress, "ipv6_cidr_blocks"))
] if {
	resource.type == "aws_security_group"
}

opened(resource) := [described(after, list(after, "cidr_blocks"), list(after, "ipv6_cidr_blocks"))] if {
	resource.type == "aws_security_group_rule"
	after := resource.change.after
	after.type == "ingress"
}

opened(resource) := [described(after, [object.get(after, "cidr_ipv4", "")], [object.get(after, "cidr_ipv6", "")])] if {
	resource.type == "aws_vpc_security_group_ingress_rule"
	after := resource.change.after
}

described(rule, v4, v6) := {
	"from": object.get(rule, "from_port", 0),
	"to": object.get(rule, "to_port", 65535),
	"protocol": sprintf("%v", [object.get(rule, "protocol", object.get(rule, "ip_protocol", ""))]),
	"cidrs": array.concat(v4, v6),
}

list(rule, key) := rule[key] if is_array(rule[key])

list(rule, key) := [] if not is_array(rule[key])
