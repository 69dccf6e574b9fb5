package quixconfig

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ohler55/ojg/jp"

	"github.com/weirstreams/weir/row"
)

// path is a JSONPath expression. What it finds comes in the order of the text: a value before those that it contains. The
// library would give what lies deepest first, so that descents ("..") are done here, and it does what is between them.
type path struct {
	text     string
	segments []jp.Expr
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
	p = path{text: text, segments: []jp.Expr{nil}}
	for _, f := range expression {
		if _, ok := f.(jp.Descent); ok {
			p.segments = append(p.segments, nil)
			continue
		}
		last := &p.segments[len(p.segments)-1]
		if filter, ok := f.(*jp.Filter); ok && len(p.segments) > 1 && strings.Contains(filter.String(), "$") {
			return p, fmt.Errorf(`path %q: a filter after ".." cannot refer to the root`, text)
		}
		*last = append(*last, f)
	}
	if len(p.segments) > 1 && len(p.segments[len(p.segments)-1]) == 0 {
		return p, fmt.Errorf(`path %q: nothing follows the last ".."`, text)
	}
	return p, nil
}

// find returns what the path leads to.
func (p path) find(v row.Value) (found []row.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("path %q: %v", p.text, r)
		}
	}()
	nodes := []any{node(v)}
	for i, segment := range p.segments {
		if i > 0 {
			var all []any
			for _, n := range nodes {
				all = descend(all, n)
			}
			nodes = all
		}
		if len(segment) == 0 {
			continue
		}
		var next []any
		for _, n := range nodes {
			if !isContainer(n) && !onlyRoot(segment) {
				continue // there is nothing in it, and the library does not take all of them
			}
			next = append(next, segment.Get(n)...)
		}
		nodes = next
	}
	found = make([]row.Value, len(nodes))
	for i, n := range nodes {
		found[i] = value(n)
	}
	return found, nil
}

// descend appends a container and all that it contains, each before what is in it.
func descend(to []any, n any) []any {
	switch n := n.(type) {
	case object:
		to = append(to, n)
		for _, v := range n.All() {
			to = descend(to, node(v))
		}
	case items:
		to = append(to, n)
		for _, v := range n {
			to = descend(to, node(v))
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
func node(v row.Value) any {
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
		n = object{r}
	case row.KindList:
		list, _ := row.As[[]row.Value](v)
		n = items(list)
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
		return row.List(n...)
	}
	return v
}

// bigInteger are the digits of an integer of more than 64 bits.
type bigInteger string

type object struct{ row.Row }

var _ jp.Keyed = object{}

func (o object) ValueForKey(key string) (any, bool) {
	v, ok := o.Lookup(key)
	return node(v), ok
}
func (o object) Keys() []string           { return o.Columns() }
func (object) SetValueForKey(string, any) {}
func (object) RemoveValueForKey(string)   {}

type items []row.Value

var _ jp.Indexed = items{}

func (l items) ValueAtIndex(i int) any {
	if i < 0 || i >= len(l) {
		return nil
	}
	return node(l[i])
}
func (l items) Size() int                { return len(l) }
func (l items) SetValueAtIndex(int, any) {}
