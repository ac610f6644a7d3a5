resource "terraform_data" "a" {
  input = <<-EOT
    #!/bin/sh
    set -eu
    apt-get install -y nginx
    - not a deletion
    + no addition
    systemctl enable nginx
    echo one
    echo two
    echo three
    echo four
    echo five
  EOT

}
resource "terraform_data" "yaml" {
  input = "- name: a\n- name: c\n"

}
