package avro

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/hamba/avro/v2"
)

// defaults are the default values of fields as the schema has them, by the full name of the record, a zero byte, and the name of
// the field. Numbers keep their digits. The libraries read defaults as a float64 and as UTF-8, which loses long integers and bytes
// from 0x80 on.
type defaults map[string]any

func defaultKey(record, field string) string { return record + "\x00" + field }

// collectDefaults finds the default values in a schema. It returns whether the libraries would read one of them wrongly; those
// are replaced by harmless ones.
func (d defaults) collect(v any, namespace string) (replaced bool) {
	switch v := v.(type) {
	case []any:
		for _, branch := range v {
			replaced = d.collect(branch, namespace) || replaced
		}
	case map[string]any:
		kind, _ := v["type"].(string)
		if kind == "" {
			return d.collect(v["type"], namespace)
		}
		if ns, ok := v["namespace"].(string); ok {
			namespace = ns
		}
		name, _ := v["name"].(string)
		if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
			namespace = name[:dot]
		}
		replaced = d.collect(v["items"], namespace) || replaced
		replaced = d.collect(v["values"], namespace) || replaced
		fields, _ := v["fields"].([]any)
		for _, f := range fields {
			field, ok := f.(map[string]any)
			if !ok {
				continue
			}
			replaced = d.collect(field["type"], namespace) || replaced
			if value, ok := field["default"]; ok {
				fieldName, _ := field["name"].(string)
				d[defaultKey(fullName(name, namespace), fieldName)] = value
				if harmless, changed := soften(value); changed {
					field["default"], replaced = harmless, true
				}
			}
		}
	}
	return replaced
}

// soften returns a value of the same shape that every library reads, and whether it differs. A long integer becomes 0; text with
// characters from 0x80 on, which may stand for bytes, becomes as many letters. A null within an array, a map or a record stays,
// and counts as different: hamba/avro does not read it.
func soften(v any) (any, bool) {
	changed := false
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil && (n > 1<<53 || n < -1<<53) {
			return json.Number("0"), true
		}
	case string:
		if strings.ContainsFunc(v, func(r rune) bool { return r >= 0x80 && r <= 0xff }) {
			return strings.Repeat("?", len([]rune(v))), true
		}
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var c bool
			out[i], c = soften(v[i])
			changed = changed || c || v[i] == nil
		}
		return out, changed
	case map[string]any:
		out := make(map[string]any, len(v))
		for name := range v {
			var c bool
			out[name], c = soften(v[name])
			changed = changed || c || v[name] == nil
		}
		return out, changed
	}
	return v, false
}

var errDefault = errors.New("the default value does not fit its type")

// of returns the default value of a field, anew with each call, as goavro decodes it: without logical types, and with the names of
// the branches of unions.
func (d defaults) of(r *avro.RecordSchema, f *avro.Field) (value any, ok bool, err error) {
	raw, ok := d[defaultKey(r.FullName(), f.Name())]
	if !ok {
		return nil, false, nil
	}
	if value, err = d.plain(f.Type(), raw); err != nil {
		err = fmt.Errorf("default of field %s of %s: %w", f.Name(), r.FullName(), err)
	}
	return value, true, err
}

// check returns an error unless all default values fit their types.
func (d defaults) check(s avro.Schema) (err error) {
	walk(s, map[string]bool{}, false, func(s avro.Schema, _ bool) {
		if r, ok := s.(*avro.RecordSchema); ok && err == nil {
			for _, f := range r.Fields() {
				if _, _, err = d.of(r, f); err != nil {
					return
				}
			}
		}
	})
	return err
}

func (d defaults) plain(s avro.Schema, raw any) (any, error) {
	s = deref(s)
	number, isNumber := raw.(json.Number)
	text, isText := raw.(string)
	switch s := s.(type) {
	case *avro.UnionSchema:
		// The specification wants the first branch; newer versions allow any.
		for _, branch := range s.Types() {
			if v, err := d.plain(branch, raw); err == nil {
				if v == nil {
					return nil, nil
				}
				return map[string]any{branchName(branch): v}, nil
			}
		}
	case *avro.RecordSchema:
		given, ok := raw.(map[string]any)
		if !ok {
			break
		}
		out := make(map[string]any, len(s.Fields()))
		for _, f := range s.Fields() {
			var err error
			if v, ok := given[f.Name()]; ok {
				out[f.Name()], err = d.plain(f.Type(), v)
			} else if out[f.Name()], ok, err = d.of(s, f); err == nil && !ok {
				err = fmt.Errorf("%w: it lacks the field %s", errDefault, f.Name())
			}
			if err != nil {
				return nil, err
			}
		}
		return out, nil
	case *avro.ArraySchema:
		items, ok := raw.([]any)
		if !ok {
			break
		}
		out := make([]any, len(items))
		for i := range items {
			var err error
			if out[i], err = d.plain(s.Items(), items[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case *avro.MapSchema:
		values, ok := raw.(map[string]any)
		if !ok {
			break
		}
		out := make(map[string]any, len(values))
		for name := range values {
			var err error
			if out[name], err = d.plain(s.Values(), values[name]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case *avro.EnumSchema:
		if isText {
			for _, symbol := range s.Symbols() {
				if symbol == text {
					return text, nil
				}
			}
		}
	case *avro.FixedSchema:
		if b, ok := latin1(text); isText && ok && len(b) == s.Size() {
			return b, nil
		}
	default:
		switch s.Type() {
		case avro.Null:
			if raw == nil {
				return nil, nil
			}
		case avro.Boolean:
			if b, ok := raw.(bool); ok {
				return b, nil
			}
		case avro.Int:
			if n, err := number.Int64(); isNumber && err == nil && n >= math.MinInt32 && n <= math.MaxInt32 {
				return int32(n), nil
			}
		case avro.Long:
			if n, err := number.Int64(); isNumber && err == nil {
				return n, nil
			}
		case avro.Float:
			if f, err := number.Float64(); isNumber && err == nil {
				return float32(f), nil
			}
		case avro.Double:
			if f, err := number.Float64(); isNumber && err == nil {
				return f, nil
			}
		case avro.String:
			if isText {
				return text, nil
			}
		case avro.Bytes:
			if b, ok := latin1(text); isText && ok {
				return b, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: %v is no %s", errDefault, raw, describe(s))
}

// latin1 returns the bytes that a default of bytes or fixed stands for: one for each character up to U+00FF.
func latin1(text string) ([]byte, bool) {
	out := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff {
			return nil, false
		}
		out = append(out, byte(r))
	}
	return out, true
}
