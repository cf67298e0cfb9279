// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

// checkFields refuses unknown fields and values of the wrong type.
//
// The framework only warns of unknown fields, so a mistyped name would be lost; and it quotes values of the wrong type,
// so a secret sent as a list would stand in an error, in the audit log and, from the existence check, in Vault's log.
// The errors here name the field and never its value.
func (b *backend) checkFields(req *logical.Request) error {
	switch req.Operation {
	case logical.CreateOperation, logical.UpdateOperation, logical.ReadOperation, logical.DeleteOperation:
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
			return fmt.Errorf("unknown field %q: %s takes %s", name, req.Path, fieldNames(path))
		}
		value := req.Data[name]
		if value == nil {
			return fmt.Errorf("field %q is null: leave it out, or give it a value", name)
		}
		if _, _, err := data.GetOkErr(name); err != nil || !isTyped(schema.Type, value) {
			return fmt.Errorf("field %q must be %s", name, typeName(schema.Type))
		}
	}
	return nil
}

func typeName(t framework.FieldType) string {
	switch t {
	case framework.TypeBool:
		return "true or false"
	case framework.TypeDurationSecond:
		return "a duration like 90s, 30m or 2h, not negative"
	default:
		return "a text"
	}
}

// isTyped leaves out what the framework would read as something that nobody has typed: a boolean as a text, an empty
// text as false or 0. Numbers pass as texts: a partner ID is one, and arrives as one when it is sent without quotes.
func isTyped(t framework.FieldType, value any) bool {
	if t != framework.TypeString {
		return value != ""
	}
	switch value.(type) {
	case string, json.Number:
		return true
	default:
		return false
	}
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
