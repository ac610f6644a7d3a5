output "changed" {
  value = { a = 1, b = "same" }
}
output "removed" {
  value = "gone"
}
output "secret" {
  value     = "old"
  sensitive = true
}
output "text" {
  value = "one\ntwo\n"
}
