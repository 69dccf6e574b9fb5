package config

import (
	"errors"
	"fmt"

	"github.com/ohler55/ojg/jp"

	"github.com/weirstreams/weir/row"
)

// path is a JSONPath expression. Matches come in the order of the text: a value before the values in it. The
// library would give the deepest match first, so descents ("..") are done here, and the library does the steps between them.
//
// A path may find the same value many times, more often with each "..", list of names or filter. The work is bounded.
type path struct {
	text     string
	segments []segment
}

// segment is a part of a path.
type segment struct {
	descend bool // it begins with ".."
	expr    jp.Expr
	// plural are the operands of expr, which is a filter then, that may find several values: all combinations are tried.
	plural []jp.Expr
}

func parsePath(text string) (p path, err error) {
	defer func() { // the library's parser is not known to panic, but text comes from anywhere
		if r := recover(); r != nil {
			err = fmt.Errorf("path %q: %v", text, r)
		}
	}()
	if text == "" {
		return p, errors.New(`path is empty: the whole content is "$"`)
	}
	expression, err := jp.ParseString(text)
	if err != nil {
		return p, fmt.Errorf("path %q: %w", text, err)
	}
	p = path{text: text, segments: []segment{{}}}
	for _, f := range expression {
		if err := p.add(f); err != nil {
			return p, fmt.Errorf("path %q: %w", text, err)
		}
	}
	if last := p.segments[len(p.segments)-1]; last.descend && len(last.expr) == 0 {
		return p, fmt.Errorf(`path %q: nothing follows the last ".."`, text)
	}
	return p, nil
}

// add adds a fragment to the segments.
func (p *path) add(f jp.Frag) error {
	last := &p.segments[len(p.segments)-1]
	switch f := f.(type) {
	case jp.Descent:
		p.segments = append(p.segments, segment{descend: true})
		return nil
	case *jp.Filter:
		o, err := operandsOf(f)
		switch {
		case err != nil:
			return err
		case o.nested:
			return errors.New("a filter within a filter has more than one operand that may find several values")
		case len(o.plural) > 1:
			if len(last.expr) > 0 || last.plural != nil {
				p.segments = append(p.segments, segment{})
				last = &p.segments[len(p.segments)-1]
			}
			last.plural = o.plural
		}
		if o.root && (len(p.segments) > 1 || len(o.plural) > 1) {
			return errors.New(`a filter after "..", or with or after more than one operand that may find several values, cannot refer to the root`)
		}
	}
	if last.plural != nil && len(last.expr) > 0 {
		p.segments = append(p.segments, segment{})
		last = &p.segments[len(p.segments)-1]
	}
	last.expr = append(last.expr, f)
	return nil
}

// operands are the operands of a filter.
type operands struct {
	plural []jp.Expr // those that may find several values
	root   bool      // there is one that begins at the root, at any depth
	nested bool      // there is a filter in one that has several plural ones itself
}

func operandsOf(f *jp.Filter) (o operands, err error) {
	form, err := inspect(f)
	if err == nil {
		err = o.add(form)
	}
	return o, err
}

// add adds the operands in a part of a filter.
func (o *operands) add(part any) error {
	switch x := part.(type) {
	case *jp.Form:
		return errors.Join(o.add(x.Left), o.add(x.Right))
	case jp.Expr:
		plural := false
		for _, f := range x {
			switch f := f.(type) {
			case jp.Root:
				o.root = true
			case jp.Wildcard, jp.Descent, jp.Union, jp.Slice:
				plural = true
			case *jp.Filter:
				plural = true
				within, err := operandsOf(f)
				if err != nil {
					return err
				}
				o.root = o.root || within.root
				o.nested = o.nested || within.nested || len(within.plural) > 1
			}
		}
		if plural {
			o.plural = append(o.plural, x)
		}
	}
	return nil
}

// inspect returns the parts of a filter, which may be a path alone. The library does not take that apart.
func inspect(f *jp.Filter) (part any, err error) {
	defer func() {
		if recover() != nil {
			text := f.String()
			part, err = jp.ParseString(text[len("[?(") : len(text)-len(")]")])
		}
	}()
	return f.Inspect(), nil
}

// find returns the matches of the path in content of a size in bytes.
func (p path) find(v row.Value, size int) (found []row.Value, err error) {
	defer func() {
		switch r := recover(); r {
		case nil:
		case errTooMuchWork:
			err = fmt.Errorf("%w: path %q: %w", ErrContent, p.text, errTooMuchWork)
		default:
			err = fmt.Errorf("path %q: %v", p.text, r)
		}
	}()
	w := &work{left: workBase + workPerByte*size}
	nodes := []any{w.node(v)}
	for _, s := range p.segments {
		if s.descend {
			var all []any
			for _, n := range nodes {
				all = w.descend(all, n)
			}
			nodes = all
		}
		if len(s.expr) == 0 {
			continue
		}
		var next []any
		for _, n := range nodes {
			if !isContainer(n) && !onlyRoot(s.expr) {
				continue // there is nothing in it, and the library does not take all of them
			}
			if s.plural != nil {
				w.combine(n, s.plural)
			}
			next = append(next, s.expr.Get(n)...)
		}
		nodes = next
	}
	found = make([]row.Value, len(nodes))
	for i, n := range nodes {
		found[i] = value(n)
	}
	return found, nil
}

// work is the remaining budget of a search: one unit takes about 0.1 us.
type work struct{ left int }

// The budget of a search. One pass over a content takes at most two units for each of its bytes, mostly far fewer.
const (
	workBase    = 1 << 20
	workPerByte = 8
)

var errTooMuchWork = errors.New("it leads to too many places")

// spend panics with errTooMuchWork if nothing is left: the library cannot be stopped in another way.
func (w *work) spend(n int) {
	if w.left -= n; w.left < 0 {
		panic(errTooMuchWork)
	}
}

// combine spends the cost of a filter with operands that may find several values in a container.
func (w *work) combine(container any, plural []jp.Expr) {
	var parts []any
	switch c := container.(type) {
	case object:
		for _, v := range c.All() {
			parts = append(parts, w.node(v))
		}
	case items:
		for _, v := range c.list {
			parts = append(parts, w.node(v))
		}
	}
	for _, part := range parts {
		product := 1
		for _, x := range plural {
			product *= max(1, len(x.Get(part)))
			if product > w.left {
				break
			}
		}
		w.spend(product)
	}
}

// descend appends a container and all containers in it, each before its own elements.
func (w *work) descend(to []any, n any) []any {
	switch n := n.(type) {
	case object:
		to = append(to, n)
		for _, v := range n.All() {
			to = w.descend(to, w.node(v))
		}
	case items:
		to = append(to, n)
		for _, v := range n.list {
			to = w.descend(to, w.node(v))
		}
	}
	return to
}

func isContainer(n any) bool {
	switch n.(type) {
	case object, items:
		return true
	}
	return false
}

func onlyRoot(segment jp.Expr) bool {
	for _, f := range segment {
		switch f.(type) {
		case jp.Root, jp.At, jp.Bracket:
		default:
			return false
		}
	}
	return true
}

// node shows a value to the library: rows and lists by interfaces of it, so that columns stay in order and big integers stay
// whole; everything else as a Go value.
func (w *work) node(v row.Value) any {
	w.spend(1)
	var n any
	switch v.Kind() {
	case row.KindBool:
		n, _ = row.As[bool](v)
	case row.KindInt:
		n, _ = row.As[int64](v)
	case row.KindFloat:
		n, _ = row.As[float64](v)
	case row.KindBig:
		n = bigInteger(v.String())
	case row.KindString:
		n, _ = row.As[string](v)
	case row.KindRow:
		r, _ := row.As[row.Row](v)
		o := object{Row: r, work: w}
		if r.Len() > wideRow {
			o.wide = &wide{}
		}
		n = o
	case row.KindList:
		list, _ := row.As[[]row.Value](v)
		n = items{list, w}
	}
	return n
}

// value is the reverse of node.
func value(n any) (v row.Value) {
	switch n := n.(type) {
	case bool:
		return row.Bool(n)
	case int64:
		return row.Int(n)
	case float64:
		return row.Float(n)
	case bigInteger:
		_ = v.UnmarshalJSON([]byte(n)) // they are digits
	case string:
		return row.String(n)
	case object:
		return n.Value()
	case items:
		return row.List(n.list...)
	}
	return v
}

// bigInteger are the digits of an integer of more than 64 bits.
type bigInteger string

type object struct {
	row.Row
	work *work
	wide *wide // of a row with many columns
}

// wide finds columns of a row with many: the first time by a search, then by an index.
type wide struct {
	asked bool
	index map[string]row.Value
}

// wideRow is how many columns a row has at most that is always searched.
const wideRow = 16

var _ jp.Keyed = object{}

func (o object) ValueForKey(key string) (any, bool) {
	v, ok := o.lookup(key)
	return o.work.node(v), ok
}

func (o object) lookup(key string) (row.Value, bool) {
	w := o.wide
	switch {
	case w == nil:
		return o.Lookup(key)
	case !w.asked:
		w.asked = true
		o.work.spend(o.Len() / wideRow)
		return o.Lookup(key)
	case w.index == nil:
		o.work.spend(o.Len())
		w.index = make(map[string]row.Value, o.Len())
		for column, v := range o.All() {
			w.index[column] = v
		}
	}
	v, ok := w.index[key]
	return v, ok
}

func (o object) Keys() []string {
	o.work.spend(o.Len())
	return o.Columns()
}
func (object) SetValueForKey(string, any) {}
func (object) RemoveValueForKey(string)   {}

type items struct {
	list []row.Value
	work *work
}

var _ jp.Indexed = items{}

func (l items) ValueAtIndex(i int) any {
	if i < 0 || i >= len(l.list) {
		return nil
	}
	return l.work.node(l.list[i])
}
func (l items) Size() int                { return len(l.list) }
func (l items) SetValueAtIndex(int, any) {}
