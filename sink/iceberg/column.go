package iceberg

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	client "github.com/apache/iceberg-go"

	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
)

// parseType reads a type as Iceberg writes it.
func parseType(name string) (client.Type, error) {
	text, err := json.Marshal(name)
	if err != nil {
		return nil, err
	}
	s, err := client.NewSchemaFromJsonFields(0, `[{"id":1,"name":"c","required":false,"type":`+string(text)+`}]`)
	if err != nil {
		return nil, fmt.Errorf("%q is no type of Iceberg, such as long, double, string, date, timestamptz or decimal(12,2)", name)
	}
	return s.Field(0).Type, nil
}

// checkColumn refuses names that iceberg-go would take for a column within another one, or that readers cannot write.
func checkColumn(name string) error {
	switch {
	case name == "":
		return errors.New("the name of a column is empty")
	case strings.Contains(name, "."):
		return fmt.Errorf("column %q: a dot stands between a column and one within it", name)
	case strings.ContainsRune(name, 0) || !utf8.ValidString(name):
		return fmt.Errorf("column %q: the name is no text", name)
	}
	return nil
}

// columns are those of a table, and of rows that wait for it. They are not changed.
type columns struct {
	// version is the ID of the schema of the table. added counts the changes that the table lacks.
	version, added int
	fields         []client.NestedField
	at             map[string]int
	required       []int
}

func columnsOf(version int, fields []client.NestedField) *columns {
	c := &columns{version: version, fields: fields, at: make(map[string]int, len(fields))}
	for i, f := range fields {
		c.at[f.Name] = i
		if f.Required {
			c.required = append(c.required, i)
		}
	}
	return c
}

// edited are fields that are copied before the first change.
type edited struct {
	fields  []client.NestedField
	changed bool
}

// set replaces a field, or adds one at the end.
func (e *edited) set(i int, f client.NestedField) {
	if !e.changed {
		e.fields, e.changed = slices.Clone(e.fields), true
	}
	if i == len(e.fields) {
		e.fields = append(e.fields, f)
	} else {
		e.fields[i] = f
	}
}

// with returns the columns that are needed to keep a row too: c itself, if the row fits. given are columns with a value that comes from elsewhere.
func (c *columns) with(r row.Row, fixed bool, declared map[string]client.NestedField, given ...string) (*columns, error) {
	next := edited{fields: c.fields}
	filled := 0
	for name, v := range r.All() {
		if v.IsNull() {
			continue
		}
		if i, ok := c.at[name]; ok {
			f := next.fields[i]
			t, wider, err := fit(f.Type, f.ID == 0, v)
			if err != nil {
				return nil, fmt.Errorf("column %q: %w", name, err)
			}
			if f.Required {
				filled++
			}
			if wider {
				if fixed {
					return nil, fmt.Errorf("column %q is a %s, its value needs a %s, and Options.FixedTable forbids to change it", name, f.Type, t)
				}
				f.Type = t
				next.set(i, f)
			}
			continue
		}
		if fixed {
			return nil, fmt.Errorf("the table has no column %q, and Options.FixedTable forbids to add it", name)
		}
		if err := checkColumn(name); err != nil {
			return nil, err
		}
		f, ok := declared[name]
		t, err := client.Type(nil), error(nil)
		if ok {
			t, _, err = fit(f.Type, true, v)
		} else {
			t, err = infer(v)
		}
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", name, err)
		}
		if t != nil { // nothing is known of an empty list
			next.set(len(next.fields), client.NestedField{Name: name, Type: t})
		}
	}
	if filled < len(c.required) {
		for _, i := range c.required {
			name := c.fields[i].Name
			if v, _ := r.Lookup(name); v.IsNull() && !slices.Contains(given, name) {
				return nil, fmt.Errorf("the record has no value for column %q, which the table requires", name)
			}
		}
	}
	if !next.changed {
		return c, nil
	}
	all := columnsOf(c.version, next.fields)
	all.added = c.added + 1
	return all, nil
}

// infer returns the type of a new column for a value. It is nil for a null and an empty list or row: they do not tell a type.
func infer(v row.Value) (client.Type, error) {
	switch v.Kind() {
	case row.KindBool:
		return client.PrimitiveTypes.Bool, nil
	case row.KindInt:
		return client.PrimitiveTypes.Int64, nil
	case row.KindFloat:
		return client.PrimitiveTypes.Float64, nil
	case row.KindBig:
		t := client.DecimalTypeOf(maxDigits, 0)
		_, err := decimalOf(v, t)
		return t, err
	case row.KindString:
		return client.PrimitiveTypes.String, checkText(v)
	case row.KindList:
		items, err := row.As[[]row.Value](v)
		if err != nil {
			return nil, err
		}
		var element client.Type
		for i, item := range items {
			if element == nil {
				element, err = infer(item)
			} else {
				element, _, err = fit(element, true, item)
			}
			if err != nil {
				return nil, fmt.Errorf("element %d: %w", i, err)
			}
		}
		if element == nil {
			return nil, nil
		}
		return &client.ListType{Element: element}, nil
	case row.KindRow:
		t, _, err := fit(&client.StructType{}, true, v)
		if err != nil || len(t.(*client.StructType).FieldList) == 0 {
			return nil, err
		}
		return t, nil
	}
	return nil, nil
}

// fit returns the type that a column needs for a value: its own, or a wider one. added says that the table lacks the column, so that every type is possible that
// has all values so far.
func fit(t client.Type, added bool, v row.Value) (wider client.Type, changed bool, err error) {
	if v.IsNull() {
		return t, false, nil
	}
	switch t := t.(type) {
	case client.Int32Type:
		if v.Kind() == row.KindInt && !fitsInt32(v) {
			return client.PrimitiveTypes.Int64, true, nil
		}
	case client.Int64Type:
		if added && v.Kind() == row.KindFloat {
			return client.PrimitiveTypes.Float64, true, nil
		}
	case *client.StructType:
		return fitStruct(t, added, v)
	case *client.ListType:
		items, err := row.As[[]row.Value](v)
		if err != nil {
			return nil, false, mismatch(t, v)
		}
		element := t.Element
		for i, item := range items {
			if t.ElementRequired && item.IsNull() {
				return nil, false, fmt.Errorf("element %d: it is null, and the table requires a value", i)
			}
			e, wider, err := fit(element, added || t.ElementID == 0, item)
			if err != nil {
				return nil, false, fmt.Errorf("element %d: %w", i, err)
			}
			element, changed = e, changed || wider
		}
		if changed {
			return &client.ListType{ElementID: t.ElementID, Element: element, ElementRequired: t.ElementRequired}, true, nil
		}
		return t, false, nil
	case *client.MapType:
		return fitMap(t, added, v)
	}
	return t, false, checkScalar(t, v)
}

func fitStruct(t *client.StructType, added bool, v row.Value) (wider client.Type, changed bool, err error) {
	nested, err := row.As[row.Row](v)
	if err != nil {
		return nil, false, mismatch(t, v)
	}
	next := edited{fields: t.FieldList}
	for name, item := range nested.All() {
		if item.IsNull() {
			continue
		}
		i := slices.IndexFunc(next.fields, func(f client.NestedField) bool { return f.Name == name })
		if i < 0 {
			if err := checkColumn(name); err != nil {
				return nil, false, err
			}
			fieldType, err := infer(item)
			if err != nil {
				return nil, false, fmt.Errorf("%q: %w", name, err)
			}
			if fieldType != nil {
				next.set(len(next.fields), client.NestedField{Name: name, Type: fieldType})
			}
			continue
		}
		f := next.fields[i]
		fieldType, fieldChanged, err := fit(f.Type, added || f.ID == 0, item)
		if err != nil {
			return nil, false, fmt.Errorf("%q: %w", name, err)
		}
		if fieldChanged {
			f.Type = fieldType
			next.set(i, f)
		}
	}
	for _, f := range t.FieldList {
		if item, _ := nested.Lookup(f.Name); f.Required && item.IsNull() {
			return nil, false, fmt.Errorf("it has no value for %q, which the table requires", f.Name)
		}
	}
	if next.changed {
		return &client.StructType{FieldList: next.fields}, true, nil
	}
	return t, false, nil
}

func fitMap(t *client.MapType, added bool, v row.Value) (wider client.Type, changed bool, err error) {
	nested, err := row.As[row.Row](v)
	if err != nil {
		return nil, false, mismatch(t, v)
	}
	if err := isMapKey(t.KeyType); err != nil {
		return nil, false, err
	}
	values := t.ValueType
	for name, item := range nested.All() {
		if t.ValueRequired && item.IsNull() {
			return nil, false, fmt.Errorf("%q: it is null, and the table requires a value", name)
		}
		valueType, wider, err := fit(values, added || t.ValueID == 0, item)
		if err != nil {
			return nil, false, fmt.Errorf("%q: %w", name, err)
		}
		values, changed = valueType, changed || wider
	}
	if changed {
		return &client.MapType{KeyID: t.KeyID, KeyType: t.KeyType, ValueID: t.ValueID, ValueType: values, ValueRequired: t.ValueRequired}, true, nil
	}
	return t, false, nil
}

func isMapKey(t client.Type) error {
	if _, ok := t.(client.StringType); !ok {
		return fmt.Errorf("the column is a map with keys of type %s, and the sink writes only those with keys of type string", t)
	}
	return nil
}

// mismatch says that a column cannot have a value.
func mismatch(t client.Type, v row.Value) error {
	return fmt.Errorf("the value is a %v, and the column is a %s", v.Kind(), t)
}

func checkText(v row.Value) error {
	text, err := row.As[string](v)
	if err == nil && !utf8.ValidString(text) {
		err = connector.ErrUTF8
	}
	return err
}
