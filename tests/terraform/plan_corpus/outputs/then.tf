output "added" {
  value = ["a", { b = "c" }]
}
output "changed" {
  value = { a = 2, b = "same" }
}
output "secret" {
  value     = "new"
  sensitive = true
}
output "text" {
  value = "one\nthree\n"
}
