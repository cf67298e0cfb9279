// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/confidential"
)

// checkFields refuses unknown fields and values of the wrong type.
//
// The framework only warns about unknown fields, so a misspelled one would be ignored.
// It also quotes values of the wrong type: a secret sent as a list would appear in an
// error, in the audit log and in Vault's log. The errors here name the field and never
// its value.
func (b *backend) checkFields(req *logical.Request) error {
	switch req.Operation {
	case logical.CreateOperation, logical.UpdateOperation, logical.PatchOperation, logical.ReadOperation, logical.DeleteOperation:
	default:
		return nil // In Vault's own operations, such as revoke, the data is not the caller's.
	}
	path := b.Route(req.Path)
	if path == nil {
		return nil
	}
	data := framework.FieldData{Raw: req.Data, Schema: path.Fields}
	for _, name := range slices.Sorted(maps.Keys(req.Data)) {
		schema, known := path.Fields[name]
		if !known {
			return fmt.Errorf("unknown field %s: %s takes %s", describeUnknownField(name, path), req.Path, fieldNames(path))
		}
		value := req.Data[name]
		if value == nil && req.Operation == logical.PatchOperation && unsettable(name) {
			continue
		}
		if value == nil {
			return fmt.Errorf("field %q is null: leave it out, or set a value", name)
		}
		if _, _, err := data.GetOkErr(name); err != nil || !isTyped(schema.Type, value) {
			return fmt.Errorf("field %q must be %s", name, typeName(schema.Type))
		}
		if _, isText := value.(string); !isText && schema.DisplayAttrs != nil && schema.DisplayAttrs.Sensitive {
			return fmt.Errorf("field %q must be a string, not a number: in JSON, write it in quotes", name)
		}
	}
	return nil
}

// unsettable reports whether null in a patch resets a field to its default. A credential
// has no default.
func unsettable(name string) bool {
	_, setting := configSettings()[name]
	return setting && name != "partner_id"
}

func typeName(t framework.FieldType) string {
	switch t {
	case framework.TypeBool:
		return "true or false"
	case framework.TypeDurationSecond:
		return "a duration in whole seconds, such as 90s, 30m or 2h, and not negative"
	default:
		return "a string"
	}
}

// isTyped reports whether a value is of the type of its field. The framework would
// convert more: a boolean to a string, an empty string or a number to a boolean, a
// fraction of a second to 0. A whole number is allowed as a string, because a partner
// ID is a number.
func isTyped(t framework.FieldType, value any) bool {
	text, isText := value.(string)
	number, isNumber := value.(float64) // Vault passes every number to a plugin as a float64.
	whole := isNumber && number == math.Trunc(number) && math.Abs(number) < 1<<53
	switch t {
	case framework.TypeBool:
		_, isFlag := value.(bool)
		return isFlag || text != ""
	case framework.TypeDurationSecond:
		d, err := time.ParseDuration(text)
		return whole || text != "" && (err == nil && d%time.Second == 0 || err != nil && !strings.Contains(text, "."))
	default:
		return isText || whole
	}
}

// fieldName matches a misspelled name. Anything else might be a value, because a body
// that is not JSON arrives as a name.
var fieldName = regexp.MustCompile(`^[a-z_-]{1,40}$`)

func describeUnknownField(name string, path *framework.Path) string {
	// The most likely mistake is Finicity's own spelling, such as partnerId.
	plain := strings.NewReplacer("_", "", "-", "")
	for known := range path.Fields {
		if strings.EqualFold(plain.Replace(name), plain.Replace(known)) {
			return fmt.Sprintf("%q, which is named %q here", name, known)
		}
	}
	if fieldName.MatchString(name) {
		return strconv.Quote(name)
	}
	return "(its name might be a value, so it is not shown)"
}

func fieldNames(path *framework.Path) string {
	if len(path.Fields) == 0 {
		return "no fields"
	}
	return strings.Join(slices.Sorted(maps.Keys(path.Fields)), ", ")
}

// fieldValue returns the value of a field, and whether the request has one. T is the Go
// type of the field.
func fieldValue[T any](d *framework.FieldData, name string) (value T, given bool) {
	raw, given := d.GetOk(name)
	if given {
		value, given = raw.(T)
	}
	return value, given
}

// seconds is fieldValue for a field of seconds.
func seconds(d *framework.FieldData, name string) (value time.Duration, given bool) {
	n, given := fieldValue[int](d, name)
	return time.Duration(n) * time.Second, given
}

// optional returns the value of a field, or nil if the request does not have the field.
func optional[T any](d *framework.FieldData, name string) *T {
	value, given := fieldValue[T](d, name)
	if !given {
		return nil
	}
	return &value
}

// optionalSecret is optional for a string that must never be printed.
func optionalSecret(d *framework.FieldData, name string) *confidential.Text {
	value, given := fieldValue[string](d, name)
	if !given {
		return nil
	}
	text := confidential.New(value)
	return &text
}

// optionalSeconds is optional for a field of seconds.
func optionalSeconds(d *framework.FieldData, name string) *time.Duration {
	value, given := seconds(d, name)
	if !given {
		return nil
	}
	return &value
}
