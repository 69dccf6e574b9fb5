package avro

import (
	"fmt"
	"slices"

	"github.com/hamba/avro/v2"
)

// resolver builds changes from goavro's values by the writer's schema, without logical types, to the user's values by the
// reader's schema: schema resolution of the Avro specification.
type resolver struct {
	// tagged keeps the names of the branches of unions.
	tagged bool
	// defaults are those of the reader's schema.
	defaults defaults
	// pairs are those of records that have been begun, for types that contain themselves.
	pairs map[[2]string]*change
}

// resolve returns the change from a writer's value to a reader's.
func (x *resolver) resolve(w, r avro.Schema) (change, error) {
	w, r = deref(w), deref(r)
	if u, ok := w.(*avro.UnionSchema); ok {
		return x.fromUnion(u, r)
	}
	if u, ok := r.(*avro.UnionSchema); ok {
		return x.intoUnion(w, u)
	}
	switch w := w.(type) {
	case *avro.RecordSchema:
		if r, ok := r.(*avro.RecordSchema); ok && sameName(w, r) {
			return x.record(w, r)
		}
	case *avro.ArraySchema:
		if r, ok := r.(*avro.ArraySchema); ok {
			items, err := x.resolve(w.Items(), r.Items())
			return eachItem(items), err
		}
	case *avro.MapSchema:
		if r, ok := r.(*avro.MapSchema); ok {
			values, err := x.resolve(w.Values(), r.Values())
			return eachValue(values), err
		}
	case *avro.EnumSchema:
		if r, ok := r.(*avro.EnumSchema); ok && sameName(w, r) {
			return enum(w, r), nil
		}
	case *avro.FixedSchema:
		if r, ok := r.(*avro.FixedSchema); ok && sameName(w, r) && w.Size() == r.Size() {
			return x.scalar(w, r, nil)
		}
	default:
		if w.Type() == r.Type() {
			return x.scalar(w, r, nil)
		}
		if promoted := promote(w.Type(), r.Type()); promoted != nil {
			return x.scalar(w, r, promoted)
		}
	}
	return nil, fmt.Errorf("%s cannot be read as %s", describe(w), describe(r))
}

func (x *resolver) scalar(w, r avro.Schema, promoted change) (change, error) {
	if a, b := scaleOf(w), scaleOf(r); a >= 0 && b >= 0 && a != b {
		return nil, fmt.Errorf("a decimal of scale %d cannot be read with scale %d", a, b)
	}
	return both(promoted, fromPlain(r)), nil
}

func scaleOf(s avro.Schema) int {
	if d, ok := logicalOf(s).(*avro.DecimalLogicalSchema); ok && d != nil {
		return d.Scale()
	}
	return -1
}

func both(first, second change) change {
	if first == nil {
		return second
	}
	if second == nil {
		return first
	}
	return func(v any) (any, error) {
		v, err := first(v)
		if err != nil {
			return nil, err
		}
		return second(v)
	}
}

// promote returns how a number becomes one of a wider type, and text becomes bytes and back; nil if they do not.
func promote(w, r avro.Type) change {
	switch [2]avro.Type{w, r} {
	case [2]avro.Type{avro.Int, avro.Long}:
		return func(v any) (any, error) { return int64(v.(int32)), nil }
	case [2]avro.Type{avro.Int, avro.Float}:
		return func(v any) (any, error) { return float32(v.(int32)), nil }
	case [2]avro.Type{avro.Int, avro.Double}:
		return func(v any) (any, error) { return float64(v.(int32)), nil }
	case [2]avro.Type{avro.Long, avro.Float}:
		return func(v any) (any, error) { return float32(v.(int64)), nil }
	case [2]avro.Type{avro.Long, avro.Double}:
		return func(v any) (any, error) { return float64(v.(int64)), nil }
	case [2]avro.Type{avro.Float, avro.Double}:
		return func(v any) (any, error) { return float64(v.(float32)), nil }
	case [2]avro.Type{avro.String, avro.Bytes}:
		return func(v any) (any, error) { return []byte(v.(string)), nil }
	case [2]avro.Type{avro.Bytes, avro.String}:
		return func(v any) (any, error) { return string(v.([]byte)), nil }
	}
	return nil
}

func enum(w, r *avro.EnumSchema) change {
	if !slices.ContainsFunc(w.Symbols(), func(s string) bool { return !slices.Contains(r.Symbols(), s) }) {
		return nil
	}
	return func(v any) (any, error) {
		if slices.Contains(r.Symbols(), v.(string)) {
			return v, nil
		}
		if r.HasDefault() {
			return r.Default(), nil
		}
		return nil, fmt.Errorf("enum %s has no symbol %s", r.FullName(), v)
	}
}

// fromUnion reads the branch that was written as any schema r.
func (x *resolver) fromUnion(w *avro.UnionSchema, r avro.Schema) (change, error) {
	branches := map[string]change{}
	for _, branch := range w.Types() {
		c, err := x.resolve(branch, r)
		if err != nil {
			// Only an error if it comes.
			c = func(any) (any, error) { return nil, err }
		}
		branches[branchName(branch)] = c
	}
	return func(v any) (any, error) {
		name := "null"
		if m, ok := v.(map[string]any); ok {
			for name, v = range m { // there is one
			}
		}
		if c := branches[name]; c != nil {
			return c(v)
		}
		return v, nil
	}, nil
}

// intoUnion takes the first branch of the same type and name, or else the first that can be read as.
func (x *resolver) intoUnion(w avro.Schema, r *avro.UnionSchema) (change, error) {
	branches := slices.Clone(r.Types())
	slices.SortStableFunc(branches, func(a, b avro.Schema) int { return rank(w, a) - rank(w, b) })
	var problem error
	for _, branch := range branches {
		c, err := x.resolve(w, branch)
		if err != nil {
			if rank(w, branch) == 0 {
				problem = err
			}
			continue
		}
		if x.tagged && w.Type() != avro.Null {
			name := branchName(branch)
			return both(c, func(v any) (any, error) { return map[string]any{name: v}, nil }), nil
		}
		return c, nil
	}
	if problem != nil {
		return nil, problem
	}
	return nil, fmt.Errorf("%s cannot be read as any branch of %s", describe(w), describe(r))
}

func rank(w, branch avro.Schema) int {
	if branchName(w) == branchName(branch) {
		return 0
	}
	return 1
}

// record matches fields by name or alias. In a type that contains itself, an error of the whole shows only when a value comes, if it
// lies in a branch of a union.
func (x *resolver) record(w, r *avro.RecordSchema) (change, error) {
	pair := [2]string{w.FullName(), r.FullName()}
	if begun := x.pairs[pair]; begun != nil {
		return func(v any) (any, error) { return (*begun)(v) }, nil
	}
	result := new(change)
	x.pairs[pair] = result
	c, err := x.fields(w, r, result)
	if err != nil {
		*result = func(any) (any, error) { return nil, err }
	}
	return c, err
}

// fields sets result to the change of records, and returns it unless it changes nothing.
func (x *resolver) fields(w, r *avro.RecordSchema, result *change) (change, error) {
	type step struct {
		from, to string
		change   change
		missing  func() any // the default; nil if the writer has the field
	}
	steps, same := []step{}, len(w.Fields()) == len(r.Fields())
	for _, field := range r.Fields() {
		i := slices.IndexFunc(w.Fields(), func(f *avro.Field) bool { return f.Name() == field.Name() })
		if i < 0 {
			i = slices.IndexFunc(w.Fields(), func(f *avro.Field) bool { return slices.Contains(field.Aliases(), f.Name()) })
		}
		if i < 0 {
			missing, err := x.defaultOf(r, field)
			if err != nil {
				return nil, err
			}
			if missing == nil {
				return nil, fmt.Errorf("field %s of %s: the writer does not have it, and it has no default", field.Name(), r.FullName())
			}
			steps, same = append(steps, step{to: field.Name(), missing: missing}), false
			continue
		}
		from := w.Fields()[i]
		c, err := x.resolve(from.Type(), field.Type())
		if err != nil {
			return nil, fmt.Errorf("field %s of %s: %w", field.Name(), r.FullName(), err)
		}
		if from.Name() != field.Name() {
			same = false
		}
		steps = append(steps, step{from: from.Name(), to: field.Name(), change: c})
	}
	*result = func(v any) (any, error) {
		in := v.(map[string]any)
		out := in // goavro has made it for us
		if !same {
			out = make(map[string]any, len(steps))
		}
		for i := range steps {
			s := &steps[i]
			if s.missing != nil {
				out[s.to] = s.missing()
				continue
			}
			if s.change == nil {
				if !same {
					out[s.to] = in[s.from]
				}
				continue
			}
			value, err := s.change(in[s.from])
			if err != nil {
				return nil, within(s.to, err)
			}
			out[s.to] = value
		}
		return out, nil
	}
	if same && !slices.ContainsFunc(steps, func(s step) bool { return s.change != nil }) {
		return nil, nil
	}
	return *result, nil
}

func eachItem(item change) change {
	if item == nil {
		return nil
	}
	return func(v any) (any, error) {
		items := v.([]any)
		for i := range items {
			value, err := item(items[i])
			if err != nil {
				return nil, within(fmt.Sprint(i), err)
			}
			items[i] = value
		}
		return items, nil
	}
}

func eachValue(value change) change {
	if value == nil {
		return nil
	}
	return func(v any) (any, error) {
		values := v.(map[string]any)
		for name := range values {
			changed, err := value(values[name])
			if err != nil {
				return nil, within(name, err)
			}
			values[name] = changed
		}
		return values, nil
	}
}

// defaultOf returns how to make the default value of a field, anew for each record.
func (x *resolver) defaultOf(r *avro.RecordSchema, f *avro.Field) (func() any, error) {
	_, ok, err := x.defaults.of(r, f)
	if err != nil || !ok {
		return nil, err
	}
	// A default is converted like the same value in data.
	own := &resolver{x.tagged, x.defaults, map[[2]string]*change{}}
	c, err := own.resolve(f.Type(), f.Type())
	if err != nil {
		return nil, err
	}
	return func() any {
		v, _, _ := x.defaults.of(r, f) // has not failed above
		if c != nil {
			v, _ = c(v) // fails for no value of the type
		}
		return v
	}, nil
}

// sameName compares names as the specification does: without namespaces, or by an alias of the reader's.
func sameName(w, r interface {
	Name() string
	FullName() string
	Aliases() []string
},
) bool {
	return w.Name() == r.Name() || slices.Contains(r.Aliases(), w.FullName()) || slices.Contains(r.Aliases(), w.Name())
}

// branchName returns the name of a branch of a union, without logical types.
func branchName(s avro.Schema) string {
	if named, ok := deref(s).(avro.NamedSchema); ok {
		return named.FullName()
	}
	return string(s.Type())
}

func describe(s avro.Schema) string {
	if u, ok := s.(*avro.UnionSchema); ok {
		names := make([]string, len(u.Types()))
		for i, branch := range u.Types() {
			names[i] = branchName(branch)
		}
		return fmt.Sprintf("the union %v", names)
	}
	if named, ok := s.(avro.NamedSchema); ok {
		return fmt.Sprintf("%s %s", s.Type(), named.FullName())
	}
	return string(s.Type())
}
