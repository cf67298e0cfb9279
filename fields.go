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
// The framework only warns of unknown fields, so a mistyped name would be lost; and it quotes values of the wrong type,
// so a secret sent as a list would stand in an error, in the audit log and, from the existence check, in Vault's log.
// The errors here name the field and never its value.
func (b *backend) checkFields(req *logical.Request) error {
	switch req.Operation {
	case logical.CreateOperation, logical.UpdateOperation, logical.PatchOperation, logical.ReadOperation, logical.DeleteOperation:
	default:
		return nil // Vault's own operations, like revoke, bring data that is not the caller's.
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
			return fmt.Errorf("field %q is null: leave it out, or give it a value", name)
		}
		if _, _, err := data.GetOkErr(name); err != nil || !isTyped(schema.Type, value) {
			return fmt.Errorf("field %q must be %s", name, typeName(schema.Type))
		}
		if _, isText := value.(string); !isText && schema.DisplayAttrs != nil && schema.DisplayAttrs.Sensitive {
			return fmt.Errorf("field %q must be a text, not a number: in JSON, write it in quotes", name)
		}
	}
	return nil
}

// unsettable reports whether a field has a default that a patch with null brings back. A credential has none.
func unsettable(name string) bool {
	_, setting := configSettings()[name]
	return setting && name != "partner_id"
}

func typeName(t framework.FieldType) string {
	switch t {
	case framework.TypeBool:
		return "true or false"
	case framework.TypeDurationSecond:
		return "a duration in whole seconds like 90s, 30m or 2h, not negative"
	default:
		return "a text"
	}
}

// isTyped leaves out what the framework would read as something that nobody has typed: a boolean as a text, an empty
// text or a number as a flag, a fraction of a second as none. A partner ID is a number, and may be sent as one.
func isTyped(t framework.FieldType, value any) bool {
	text, isText := value.(string)
	number, isNumber := value.(float64) // The plugin gets each number as one.
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

// fieldName is what a name looks like that somebody has mistyped. Anything else may be a value: what is sent without
// being JSON arrives as a name.
var fieldName = regexp.MustCompile(`^[a-z_-]{1,40}$`)

func describeUnknownField(name string, path *framework.Path) string {
	// Finicity's own spelling, partnerId, is the likeliest mistake.
	plain := strings.NewReplacer("_", "", "-", "")
	for known := range path.Fields {
		if strings.EqualFold(plain.Replace(name), plain.Replace(known)) {
			return fmt.Sprintf("%q, which is %q here", name, known)
		}
	}
	if fieldName.MatchString(name) {
		return strconv.Quote(name)
	}
	return "(with a name that may be a value, so it is not repeated)"
}

func fieldNames(path *framework.Path) string {
	if len(path.Fields) == 0 {
		return "no fields"
	}
	return strings.Join(slices.Sorted(maps.Keys(path.Fields)), ", ")
}

// fieldValue is the value of a field, and whether the request has one. T is the Go type of the field's type.
func fieldValue[T any](d *framework.FieldData, name string) (value T, given bool) {
	raw, given := d.GetOk(name)
	if given {
		value, given = raw.(T)
	}
	return value, given
}

// seconds is fieldValue for a duration.
func seconds(d *framework.FieldData, name string) (value time.Duration, given bool) {
	n, given := fieldValue[int](d, name)
	return time.Duration(n) * time.Second, given
}

// optional is a field's value, nil when the request does not have the field.
func optional[T any](d *framework.FieldData, name string) *T {
	value, given := fieldValue[T](d, name)
	if !given {
		return nil
	}
	return &value
}

// optionalSecret is optional for a text that must never be printed.
func optionalSecret(d *framework.FieldData, name string) *confidential.Text {
	value, given := fieldValue[string](d, name)
	if !given {
		return nil
	}
	text := confidential.New(value)
	return &text
}

func optionalSeconds(d *framework.FieldData, name string) *time.Duration {
	value, given := seconds(d, name)
	if !given {
		return nil
	}
	return &value
}
