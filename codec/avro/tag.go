package avro

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/hamba/avro/v2"
)

// Branch says which branch of a union a value belongs to, by the name of its type, where the value alone does not.
type Branch struct {
	Name  string
	Value any
}

// tagger builds changes from the user's values to values that goavro encodes: without logical types, and with the names of the
// branches of unions. Values are copied where they change; the user's values stay as they are.
type tagger struct {
	// tagged says that the user's values have the names already.
	tagged bool
	// numbers lets a json.Number be a number outside unions too.
	numbers bool
	// defaults are for fields that the user does not give.
	defaults defaults
	known    map[string]*change
}

func (x *tagger) change(s avro.Schema) change {
	s = deref(s)
	switch s := s.(type) {
	case *avro.RecordSchema:
		return x.record(s)
	case *avro.ArraySchema:
		return x.array(x.change(s.Items()))
	case *avro.MapSchema:
		return x.mapping(x.change(s.Values()))
	case *avro.UnionSchema:
		return x.union(s)
	case *avro.PrimitiveSchema:
		if x.numbers {
			return both(toPlain(s), numbers(s.Type()))
		}
		return toPlain(s)
	case *avro.FixedSchema:
		return toPlain(s)
	}
	return nil
}

// numbers turns a json.Number into a number, so that rows that came from JSON can be written.
func numbers(t avro.Type) change {
	switch t {
	case avro.Int, avro.Long:
		return func(v any) (any, error) {
			if n, ok := v.(json.Number); ok {
				return n.Int64()
			}
			return v, nil
		}
	case avro.Float, avro.Double:
		return func(v any) (any, error) {
			if n, ok := v.(json.Number); ok {
				return n.Float64()
			}
			return v, nil
		}
	}
	return nil
}

func (x *tagger) record(s *avro.RecordSchema) change {
	key := fmt.Sprint(s.FullName(), x.numbers)
	if begun := x.known[key]; begun != nil {
		return func(v any) (any, error) { return (*begun)(v) }
	}
	result := new(change)
	x.known[key] = result
	type step struct {
		name    string
		change  change
		missing func() (any, error) // nil without a default
	}
	var steps []step
	for _, f := range s.Fields() {
		step := step{name: f.Name(), change: x.change(f.Type())}
		if _, ok := x.defaults[defaultKey(s.FullName(), f.Name())]; ok {
			step.missing = func() (any, error) {
				v, _, err := x.defaults.of(s, f)
				return v, err
			}
		}
		if step.change != nil || step.missing != nil {
			steps = append(steps, step)
		}
	}
	if len(steps) == 0 {
		*result = func(v any) (any, error) { return v, nil } // a field of this very type may point here
		return nil
	}
	*result = func(v any) (any, error) {
		in, ok := v.(map[string]any)
		if !ok {
			return v, nil // goavro says what is wrong
		}
		var out map[string]any
		for _, s := range steps {
			value, ok := in[s.name]
			changed := value
			var err error
			switch {
			case !ok && s.missing == nil, ok && s.change == nil:
				continue
			case !ok:
				changed, err = s.missing()
			default:
				changed, err = s.change(value)
			}
			if err != nil {
				return nil, within(s.name, err)
			}
			if out == nil {
				if ok && same(value, changed) {
					continue
				}
				out = make(map[string]any, len(in))
				for name := range in {
					out[name] = in[name]
				}
			}
			out[s.name] = changed
		}
		if out == nil {
			return in, nil
		}
		return out, nil
	}
	return *result
}

// same reports whether nothing has changed, for values that are cheap to compare.
func same(a, b any) bool {
	switch a := a.(type) {
	case string, int, int32, int64, float32, float64, bool:
		return a == b
	}
	return false
}

func (x *tagger) array(item change) change {
	if item == nil {
		return nil
	}
	return func(v any) (any, error) {
		in, ok := v.([]any)
		if !ok {
			return v, nil
		}
		out := make([]any, len(in))
		for i := range in {
			var err error
			if out[i], err = item(in[i]); err != nil {
				return nil, within(fmt.Sprint(i), err)
			}
		}
		return out, nil
	}
}

func (x *tagger) mapping(value change) change {
	if value == nil {
		return nil
	}
	return func(v any) (any, error) {
		in, ok := v.(map[string]any)
		if !ok {
			return v, nil
		}
		out := make(map[string]any, len(in))
		for name := range in {
			var err error
			if out[name], err = value(in[name]); err != nil {
				return nil, within(name, err)
			}
		}
		return out, nil
	}
}

func (x *tagger) union(s *avro.UnionSchema) change {
	types := s.Types()
	changes, names := make([]change, len(types)), make([]string, len(types))
	inner := *x
	inner.numbers = true // the branch is chosen with them in mind
	for i, branch := range types {
		changes[i], names[i] = inner.change(branch), branchName(branch)
	}
	into := func(i int, v any) (any, error) {
		if changes[i] != nil {
			var err error
			if v, err = changes[i](v); err != nil {
				return nil, err
			}
		}
		if v == nil {
			return nil, nil
		}
		return map[string]any{names[i]: v}, nil
	}
	return func(v any) (any, error) {
		if b, ok := v.(Branch); ok {
			i := slices.Index(names, b.Name)
			if i < 0 {
				return nil, fmt.Errorf("the union has no branch %q, only %v", b.Name, names)
			}
			return into(i, b.Value)
		}
		if x.tagged && v != nil {
			if m, ok := v.(map[string]any); ok && len(m) == 1 {
				for name, value := range m {
					if i := slices.Index(names, name); i >= 0 {
						return into(i, value)
					}
				}
			}
			return v, nil
		}
		best, most := -1, 0
		for i, branch := range types {
			if n := x.defaults.fits(branch, v); n > most {
				best, most = i, n
			}
		}
		if best < 0 {
			return nil, fmt.Errorf("%T fits none of the branches %v", v, names)
		}
		return into(best, v)
	}
}

// fits says how well a value fits a branch: 0 not at all, more is better.
func (d defaults) fits(s avro.Schema, v any) int {
	s = deref(s)
	logical := avro.LogicalType("")
	if l := logicalOf(s); !isNone(l) {
		logical = l.Type()
	}
	switch v := v.(type) {
	case nil:
		return score(s.Type() == avro.Null, 3)
	case Branch:
		return score(branchName(s) == v.Name, 4)
	case bool:
		return score(s.Type() == avro.Boolean, 3)
	case string:
		if e, ok := s.(*avro.EnumSchema); ok {
			return score(slices.Contains(e.Symbols(), v), 4)
		}
		return score(s.Type() == avro.String, 3)
	case []byte:
		if f, ok := s.(*avro.FixedSchema); ok {
			return score(f.Size() == len(v), 4)
		}
		return score(s.Type() == avro.Bytes, 3)
	case int:
		return fitsInteger(s.Type(), int64(v), avro.Long)
	case int32:
		return fitsInteger(s.Type(), int64(v), avro.Int)
	case int64:
		return fitsInteger(s.Type(), v, avro.Long)
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return fitsInteger(s.Type(), i, avro.Long)
		}
		return fitsFloat(s.Type(), avro.Double)
	case float32:
		return fitsFloat(s.Type(), avro.Float)
	case float64:
		return fitsFloat(s.Type(), avro.Double)
	case time.Time:
		return score(logical == avro.LocalTimestampMicros, 2) + score(logical == avro.LocalTimestampMillis, 1) + score(logical == avro.TimestampMicros, 4) + score(logical == avro.TimestampMillis, 3) + score(logical == avro.Date, 2)
	case time.Duration:
		return score(logical == avro.TimeMicros, 4) + score(logical == avro.TimeMillis, 3)
	case *big.Rat:
		return score(logical == avro.Decimal, 3)
	case []any:
		return score(s.Type() == avro.Array, 3)
	case map[string]any:
		if r, ok := s.(*avro.RecordSchema); ok {
			return d.fitsRecord(r, v)
		}
		return score(s.Type() == avro.Map, 1)
	}
	return 0
}

func score(ok bool, n int) int {
	if ok {
		return n
	}
	return 0
}

func fitsInteger(t avro.Type, v int64, own avro.Type) int {
	switch t {
	case own:
		return 5
	case avro.Long:
		return 4
	case avro.Int:
		return score(v >= math.MinInt32 && v <= math.MaxInt32, 3)
	case avro.Double:
		return 2
	case avro.Float:
		return 1
	}
	return 0
}

func fitsFloat(t, own avro.Type) int {
	switch t {
	case own:
		return 3
	case avro.Double:
		return 2
	case avro.Float:
		return 1
	}
	return 0
}

// fitsRecord counts the fields that are given. A field without a default has to be among them.
func (d defaults) fitsRecord(r *avro.RecordSchema, v map[string]any) int {
	n := 2
	for _, f := range r.Fields() {
		value, ok := v[f.Name()]
		if !ok {
			if _, ok := d[defaultKey(r.FullName(), f.Name())]; !ok {
				return 0
			}
			continue
		}
		n++
		if u, ok := f.Type().(*avro.UnionSchema); ok {
			if !slices.ContainsFunc(u.Types(), func(b avro.Schema) bool { return d.fits(b, value) > 0 }) {
				return 0
			}
		}
	}
	return n
}

var errNotRecord = errors.New("want a schema of type record: values are maps")
