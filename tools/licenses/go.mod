// Pins licensecheck, which recognizes the licenses of the dependencies for a release. A
// separate module, so that the plugin does not get its dependencies.
module vault-plugin-secrets-finicity/tools/licenses

go 1.26.0

require github.com/google/licensecheck v0.3.1
