package bigquery

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	rest "google.golang.org/api/bigquery/v2"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
)

// encoder writes values of a type of BigQuery.
type encoder struct {
	// wire is the type of the field of a row of the Storage API. value returns a bool, an int64, a float64, a string or a []byte, as wire says.
	wire  descriptorpb.FieldDescriptorProto_Type
	value func(v row.Value) (any, error)
}

const (
	wireBool   = descriptorpb.FieldDescriptorProto_TYPE_BOOL
	wireInt    = descriptorpb.FieldDescriptorProto_TYPE_INT64
	wireDays   = descriptorpb.FieldDescriptorProto_TYPE_INT32
	wireFloat  = descriptorpb.FieldDescriptorProto_TYPE_DOUBLE
	wireString = descriptorpb.FieldDescriptorProto_TYPE_STRING
	wireBytes  = descriptorpb.FieldDescriptorProto_TYPE_BYTES
)

// encoders are the types that the sink writes. The wire types are those of "Supported protocol buffer data types" in the documentation of the Storage Write API.
var encoders = map[string]encoder{
	"BOOLEAN":    {wireBool, func(v row.Value) (any, error) { return row.As[bool](v) }},
	"INTEGER":    {wireInt, func(v row.Value) (any, error) { return intOf(v) }},
	"FLOAT":      {wireFloat, func(v row.Value) (any, error) { return floatOf(v) }},
	"NUMERIC":    {wireString, func(v row.Value) (any, error) { return decimalOf(v, 29, 9) }},
	"BIGNUMERIC": {wireString, func(v row.Value) (any, error) { return decimalOf(v, 38, 38) }},
	"STRING":     {wireString, func(v row.Value) (any, error) { return textOf(v) }},
	"BYTES":      {wireBytes, func(v row.Value) (any, error) { return bytesOf(v) }},
	"TIMESTAMP":  {wireInt, func(v row.Value) (any, error) { return microsOf(v) }},
	"DATE":       {wireDays, func(v row.Value) (any, error) { return daysOf(v) }},
	"DATETIME": {wireString, func(v row.Value) (any, error) {
		return timeText(v, "2006-01-02T15:04:05.999999", "2006-01-02 15:04:05.999999")
	}},
	"TIME":      {wireString, func(v row.Value) (any, error) { return timeText(v, "15:04:05.999999") }},
	"JSON":      {wireString, func(v row.Value) (any, error) { return jsonOf(v) }},
	"GEOGRAPHY": {wireString, func(v row.Value) (any, error) { return row.As[string](v) }},
}

// standard are other names of types.
var standard = map[string]string{"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "DECIMAL": "NUMERIC", "BIGDECIMAL": "BIGNUMERIC"}

// column is a column of the table.
type column struct {
	name, kind string
	required   bool
	repeated   bool
	added      bool // it is not a column of the table yet
}

// columns are those of a table, by their names in small letters, which is how BigQuery compares them, and in order.
type columns struct {
	list  []column
	index map[string]int
	added int
	// table is the table as it was last seen.
	table *rest.Table
}

// columnsOf reads the schema of a table.
func columnsOf(t *rest.Table) *columns {
	c := &columns{index: map[string]int{}, table: t}
	if t.Schema == nil {
		return c
	}
	for _, f := range t.Schema.Fields {
		kind := strings.ToUpper(f.Type)
		if other, ok := standard[kind]; ok {
			kind = other
		}
		c.add(column{name: f.Name, kind: kind, required: f.Mode == "REQUIRED", repeated: f.Mode == "REPEATED"})
	}
	return c
}

func (c *columns) add(added column) {
	c.index[strings.ToLower(added.name)] = len(c.list)
	c.list = append(c.list, added)
}

func (c *columns) lookup(name string) (int, bool) {
	i, ok := c.index[name]
	if !ok {
		i, ok = c.index[strings.ToLower(name)]
	}
	return i, ok
}

// with returns the columns that the table needs for one of this name and value too, and adds it to a copy of c if it is the first one that is added.
func (c *columns) with(name string, v row.Value, types map[string]string) (*columns, error) {
	if err := checkColumn(name); err != nil {
		return c, err
	}
	kind := types[name]
	if kind == "" {
		kind = kindOf(v)
	}
	if c.added == 0 {
		c = &columns{list: slices.Clone(c.list), index: maps.Clone(c.index), table: c.table}
	}
	c.add(column{name: name, kind: kind, added: true})
	c.added++
	return c, nil
}

// kindOf returns the type of a column by its first value.
func kindOf(v row.Value) string {
	switch v.Kind() {
	case row.KindBool:
		return "BOOLEAN"
	case row.KindInt:
		return "INTEGER"
	case row.KindBig:
		return "BIGNUMERIC"
	case row.KindFloat:
		return "FLOAT"
	case row.KindRow, row.KindList:
		return "JSON"
	}
	return "STRING"
}

// schema returns the fields of the table as it was last seen, and the added ones.
func (c *columns) schema() *rest.TableSchema {
	var fields []*rest.TableFieldSchema
	if c.table.Schema != nil {
		fields = slices.Clone(c.table.Schema.Fields)
	}
	for _, column := range c.list {
		if column.added {
			fields = append(fields, &rest.TableFieldSchema{Name: column.name, Type: column.kind, Mode: "NULLABLE"})
		}
	}
	return &rest.TableSchema{Fields: fields}
}

// fit returns the cells of a row, and the columns that the table needs for it: c itself, or a copy with more of them.
func (c *columns) fit(r row.Row, types map[string]string, fixed bool) (*columns, values, error) {
	cells := make(values, len(c.list), len(c.list)+r.Len())
	given := make([]bool, cap(cells))
	for name, v := range r.All() {
		i, ok := c.lookup(name)
		if !ok {
			if v.IsNull() && !fixed {
				continue // its type is not known
			}
			if fixed {
				return c, nil, fmt.Errorf("the table has no column %q, and Options.FixedTable forbids to add it", name)
			}
			var err error
			if c, err = c.with(name, v, types); err != nil {
				return c, nil, err
			}
			i = len(c.list) - 1
			cells = append(cells, nil)
		}
		if given[i] {
			return c, nil, fmt.Errorf("column %q: the row has two columns of this name, which BigQuery compares without case", name)
		}
		given[i] = true
		var err error
		if cells[i], err = c.list[i].encode(v); err != nil {
			return c, nil, err
		}
	}
	for i, cell := range cells {
		if cell == nil && c.list[i].required {
			return c, nil, fmt.Errorf("column %q is required, and the row has no value for it", c.list[i].name)
		}
	}
	return c, cells, nil
}

// values are the cells of a record, by column. Cells behind the last one are null.
type values []any

// encode returns the value of a column: nil, a value of its encoder, or a []any of them.
func (c *column) encode(v row.Value) (any, error) {
	e, ok := encoders[c.kind]
	if !ok {
		return nil, fmt.Errorf("column %q is a %s, which the sink does not write: use a column of type JSON", c.name, c.kind)
	}
	if v.IsNull() {
		return nil, nil
	}
	if !c.repeated {
		return c.one(e, v)
	}
	items, err := row.As[[]row.Value](v)
	if err != nil {
		return nil, fmt.Errorf("column %q is repeated: %w", c.name, err)
	}
	out := make([]any, len(items))
	for i, item := range items {
		if item.IsNull() {
			return nil, fmt.Errorf("column %q is repeated, and BigQuery takes no null in it", c.name)
		}
		if out[i], err = c.one(e, item); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *column) one(e encoder, v row.Value) (any, error) {
	out, err := e.value(v)
	if err != nil {
		return nil, fmt.Errorf("column %q of type %s: %w", c.name, c.kind, err)
	}
	return out, nil
}

// identifier is the form of names of fields.
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// descriptor returns the form of rows that [appendRow] writes. Names that are none for fields are said by an annotation.
func (c *columns) descriptor() *descriptorpb.DescriptorProto {
	d := &descriptorpb.DescriptorProto{Name: proto.String("Row")}
	for i, column := range c.list {
		e, ok := encoders[column.kind]
		if !ok {
			continue // never written
		}
		f := &descriptorpb.FieldDescriptorProto{
			Name: proto.String(column.name), Number: proto.Int32(fieldNumber(i)), Type: e.wire.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
		if column.repeated {
			f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}
		if !identifier.MatchString(column.name) {
			f.Name = proto.String(fmt.Sprintf("column_%d", i))
			f.Options = &descriptorpb.FieldOptions{}
			proto.SetExtension(f.Options, storagepb.E_ColumnName, column.name)
		}
		d.Field = append(d.Field, f)
	}
	return d
}

// fieldNumber passes over the numbers that protocol buffers keep for themselves.
func fieldNumber(i int) int32 {
	const first, last = int32(protowire.FirstReservedNumber), int32(protowire.LastReservedNumber)
	if n := int32(i) + 1; n < first {
		return n
	}
	return int32(i) + 1 + last - first + 1
}

// appendRow appends a row in the form of descriptor.
func appendRow(dst []byte, cells values) []byte {
	for i, cell := range cells {
		number := protowire.Number(fieldNumber(i))
		if items, ok := cell.([]any); ok {
			for _, item := range items {
				dst = appendCell(dst, number, item)
			}
			continue
		}
		dst = appendCell(dst, number, cell)
	}
	return dst
}

func appendCell(dst []byte, number protowire.Number, cell any) []byte {
	switch v := cell.(type) {
	case bool:
		return protowire.AppendVarint(protowire.AppendTag(dst, number, protowire.VarintType), protowire.EncodeBool(v))
	case int64:
		return protowire.AppendVarint(protowire.AppendTag(dst, number, protowire.VarintType), uint64(v))
	case float64:
		return protowire.AppendFixed64(protowire.AppendTag(dst, number, protowire.Fixed64Type), math.Float64bits(v))
	case string:
		return protowire.AppendString(protowire.AppendTag(dst, number, protowire.BytesType), v)
	case []byte:
		return protowire.AppendBytes(protowire.AppendTag(dst, number, protowire.BytesType), v)
	}
	return dst // null
}

// intOf takes floats without a fraction too.
func intOf(v row.Value) (int64, error) {
	if v.Kind() == row.KindFloat {
		f, err := row.As[float64](v)
		if err == nil && (f != math.Trunc(f) || math.Abs(f) > 1<<53) {
			err = fmt.Errorf("%v is no integer", f)
		}
		return int64(f), err
	}
	return row.As[int64](v)
}

// floatOf takes integers that a float has exactly.
func floatOf(v row.Value) (float64, error) {
	f, err := row.As[float64](v)
	if err == nil && v.Kind() == row.KindInt {
		if n, wrong := row.As[int64](v); wrong != nil || int64(f) != n {
			return 0, fmt.Errorf("%v has more digits than a FLOAT", v)
		}
	}
	return f, err
}

var decimal = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$`)

// decimalOf takes numbers, and texts of numbers, with as many digits before and behind the point.
func decimalOf(v row.Value, before, behind int) (string, error) {
	text := v.String()
	if v.Kind() == row.KindString {
		var err error
		if text, err = row.As[string](v); err != nil {
			return "", err
		}
	}
	if !decimal.MatchString(text) || len(text) > 400 { // bounded, because a great exponent takes much memory
		return "", fmt.Errorf("%.40q is no decimal number", text)
	}
	n, _ := new(big.Rat).SetString(text)
	exact := n.FloatString(behind)
	if again, _ := new(big.Rat).SetString(exact); again.Cmp(n) != 0 {
		return "", fmt.Errorf("%.40s has more than %d digits behind the point", text, behind)
	}
	whole, fraction, _ := strings.Cut(exact, ".")
	if len(strings.TrimPrefix(whole, "-")) > before {
		return "", fmt.Errorf("%.40s has more than %d digits before the point", text, before)
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		return whole + "." + fraction, nil
	}
	return whole, nil
}

func textOf(v row.Value) (string, error) {
	switch v.Kind() {
	case row.KindString, row.KindRow, row.KindList:
		return connector.ValueText(v)
	}
	return row.As[string](v)
}

// bytesOf reads base64, as encoding/json writes bytes.
func bytesOf(v row.Value) ([]byte, error) {
	text, err := row.As[string](v)
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(text)
}

// Times that BigQuery has.
var (
	firstTime = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	lastTime  = time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)
)

// microsOf takes texts of RFC 3339, and milliseconds since 1970.
func microsOf(v row.Value) (int64, error) {
	var at time.Time
	if v.Kind() == row.KindString {
		text, err := row.As[string](v)
		if err == nil {
			at, err = time.Parse(time.RFC3339Nano, text)
		}
		if err != nil {
			return 0, err
		}
	} else {
		n, err := intOf(v)
		if err != nil {
			return 0, err
		}
		at = time.UnixMilli(n)
	}
	if at.Before(firstTime) || at.After(lastTime) {
		return 0, fmt.Errorf("%v is beyond the years 1 to 9999", v)
	}
	return at.UnixMicro(), nil
}

const secondsOfDay = 24 * 60 * 60

// daysOf returns the days since 1970 of a date.
func daysOf(v row.Value) (int64, error) {
	text, err := timeText(v, time.DateOnly)
	if err != nil {
		return 0, err
	}
	day, err := time.Parse(time.DateOnly, text)
	return day.Unix() / secondsOfDay, err
}

// timeText takes texts of one of the layouts.
func timeText(v row.Value, layouts ...string) (string, error) {
	text, err := row.As[string](v)
	if err != nil {
		return "", err
	}
	for _, layout := range layouts {
		if _, err = time.Parse(layout, text); err == nil {
			return text, nil
		}
	}
	return "", fmt.Errorf("%.40q has not the form %s", text, layouts[0])
}

// jsonOf returns the JSON of a value.
func jsonOf(v row.Value) (string, error) {
	data, err := v.MarshalJSON()
	return string(data), err
}
