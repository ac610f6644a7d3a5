package terraform.ingress_test

import data.terraform.ingress

group(rule) := {"plan": {"resource_changes": [{
	"address": "aws_security_group.web",
	"type": "aws_security_group",
	"change": {"actions": ["create"], "after": {"ingress": [rule]}},
}]}}

rule(from, to, cidr) := {"from_port": from, "to_port": to, "protocol": "tcp", "cidr_blocks": [cidr], "ipv6_cidr_blocks": null}

test_ssh_for_the_world if {
	ingress.deny == {"aws_security_group.web opens ports 22 to 22 to the world (0.0.0.0/0)"} with input as group(rule(22, 22, "0.0.0.0/0"))
}

test_ssh_for_us if {
	count(ingress.deny) == 0 with input as group(rule(22, 22, "10.0.0.0/8"))
}

test_https_for_the_world if {
	count(ingress.deny) == 0 with input as group(rule(443, 443, "0.0.0.0/0"))
}

test_a_range_that_holds_an_open_port if {
	count(ingress.deny) == 1 with input as group(rule(0, 65535, "0.0.0.0/0"))
}

test_rules_of_their_own if {
	count(ingress.deny) == 1 with input as {"plan": {"resource_changes": [{
		"address": "aws_vpc_security_group_ingress_rule.ssh",
		"type": "aws_vpc_security_group_ingress_rule",
		"change": {"actions": ["create"], "after": {"from_port": 22, "to_port": 22, "ip_protocol": "tcp", "cidr_ipv6": "::/0"}},
	}]}}
}
