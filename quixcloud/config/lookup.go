package config

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/row"
)

// Fields returns a lookup that picks values out of contents. Its rows have the columns of the fields, in their order, and are
// made once for each content. Every query finds a row: where something is missing and the field has no default, the lookup
// fails with an error that wraps [ErrMissing], and where content cannot be fetched, with a [*FetchError] unless
// Config.Fallback says otherwise.
//
// A mistake in the fields, such as a malformed path, is an error of this call.
func (c *Configurations) Fields(fields ...Field) (join.Lookup[Query, row.Row], error) {
	l := &fieldLookup{configurations: c}
	var problems []error
	seen := map[string]bool{}
	groups := map[string]*fieldGroup{}
	for _, f := range fields {
		column, err := f.maker()
		if err == nil && seen[f.column] {
			err = errors.New("there is another one with this column")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("field %q: %w", f.column, err))
			continue
		}
		seen[f.column] = true
		if f.unresolved {
			l.unresolved = true
			l.places = append(l.places, fieldPlace{column: f.column})
			continue
		}
		g := groups[f.kind]
		if g == nil {
			g = &fieldGroup{kind: f.kind}
			groups[f.kind] = g
			l.groups = append(l.groups, g)
		}
		l.places = append(l.places, fieldPlace{group: slices.Index(l.groups, g), field: len(g.fields)})
		g.fields = append(g.fields, f)
		g.makers = append(g.makers, column)
	}
	for _, g := range l.groups {
		g.fill, _ = g.defaults()
	}
	if len(l.groups) == 0 && len(problems) == 0 {
		problems = append(problems, errors.New("no fields"))
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("configurations: %w", errors.Join(problems...))
	}
	return l, nil
}

// fieldLookup is the lookup of Fields.
type fieldLookup struct {
	configurations *Configurations
	groups         []*fieldGroup
	places         []fieldPlace // of the fields, in order
	unresolved     bool         // one of them is made by Unresolved
}

// fieldPlace is the place of a field: its group, and its index there; or its column, if it is made by Unresolved.
type fieldPlace struct {
	group, field int
	column       string
}

// fieldGroup are the fields of one type of configuration. Its address names its decoded form of a content.
type fieldGroup struct {
	kind   string
	fields []Field
	makers []maker
	// fill are the defaults, if each field has one.
	fill *columns
}

// columns are the columns that a group made of a content. The row is complete if there is one group only.
type columns struct {
	fields []row.Field
	row    row.Row
}

// make makes the columns of content.
func (g *fieldGroup) make(l *loaded) (*columns, error) {
	made := make([]row.Field, len(g.fields))
	for i, f := range g.fields {
		v, err := g.makers[i](l)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", f.column, err)
		}
		made[i] = row.Field{Name: f.column, Value: v}
	}
	return &columns{fields: made, row: row.New(made...)}, nil
}

// defaults returns the defaults, or else the first field without one.
func (g *fieldGroup) defaults() (fill *columns, without string) {
	made := make([]row.Field, len(g.fields))
	for i, f := range g.fields {
		if !f.hasFill {
			return nil, f.column
		}
		made[i] = row.Field{Name: f.column, Value: f.fill}
	}
	return &columns{fields: made, row: row.New(made...)}, ""
}

// Changes implements join.Changing: it counts the events of the topic that counted.
func (l *fieldLookup) Changes() int64 { return l.configurations.table.Load().total.Load() }

// Lookup implements join.Lookup.
func (l *fieldLookup) Lookup(ctx context.Context, queries []Query, found []*row.Row) error {
	needs := make([]need, 0, len(queries)*len(l.groups))
	for i := range queries {
		for _, g := range l.groups {
			needs = append(needs, needOf(&queries[i], g.kindOf(&queries[i])))
		}
	}
	if err := l.configurations.resolve(ctx, needs); err != nil {
		return fmt.Errorf("configurations: %w", err)
	}
	made := make([]*columns, len(l.groups))
	for i := range queries {
		for j, g := range l.groups {
			var err error
			n := &needs[i*len(l.groups)+j]
			if made[j], err = l.columns(g, n); err != nil {
				return fmt.Errorf("configurations: %v: %w", n, err)
			}
		}
		if len(made) == 1 && !l.unresolved {
			found[i] = &made[0].row
			continue
		}
		all := make([]row.Field, len(l.places))
		for k, p := range l.places {
			if p.column != "" {
				all[k] = row.Field{Name: p.column, Value: unresolved(needs[i*len(l.groups):][:len(l.groups)])}
				continue
			}
			all[k] = made[p.group].fields[p.field]
		}
		r := row.New(all...)
		found[i] = &r
	}
	return nil
}

// unresolved returns the types of needs without content as a sorted list.
func unresolved(needs []need) row.Value {
	var kinds []string
	for i := range needs {
		if needs[i].loaded == nil {
			kinds = append(kinds, needs[i].kind)
		}
	}
	slices.Sort(kinds)
	values := []row.Value{}
	for _, kind := range slices.Compact(kinds) {
		values = append(values, row.String(kind))
	}
	return row.List(values...)
}

func (g *fieldGroup) kindOf(q *Query) string {
	if g.kind == "" {
		return q.Type
	}
	return g.kind
}

// columns returns those of a group for one query.
func (l *fieldLookup) columns(g *fieldGroup, n *need) (*columns, error) {
	c := l.configurations
	switch {
	case n.loaded != nil:
		return use(c.contents, n.version.content, n.loaded, g, g.make)
	case n.err != nil && c.config.Fallback == FallbackError:
		return nil, n.err
	case g.fill != nil:
		return g.fill, nil
	}
	_, without := g.defaults()
	if n.err != nil {
		return nil, fmt.Errorf("field %q has no default: %w", without, n.err)
	}
	return nil, fmt.Errorf("field %q has no default: %w: no version is valid", without, ErrMissing)
}

// Contents returns a lookup that decodes whole contents. Its queries name the type. A query that no version is valid for finds
// nothing. Content that cannot be fetched, or decoded, makes it fail, unless it cannot be fetched and Config.Fallback says
// otherwise.
//
// A content is decoded once, and records share the result: no record may change its parts.
func (c *Configurations) Contents[T any](decoder codec.Codec[T]) *ContentLookup[T] {
	return &ContentLookup[T]{configurations: c, codec: decoder}
}

// ContentLookup is a lookup of whole contents. It implements join.Lookup[Query, T].
type ContentLookup[T any] struct {
	configurations *Configurations
	codec          codec.Codec[T]
	fill           *T
}

// Default returns a lookup that finds v where there would be nothing.
func (l *ContentLookup[T]) Default(v T) *ContentLookup[T] {
	return &ContentLookup[T]{configurations: l.configurations, codec: l.codec, fill: &v}
}

// Changes implements join.Changing: it counts the events of the topic that counted, so that records that wait for a configuration in
// join.Buffered are released when it arrives.
func (l *ContentLookup[T]) Changes() int64 { return l.configurations.table.Load().total.Load() }

// Lookup implements join.Lookup. The error wraps [ErrContent], [ErrClosed], [ErrStale] within a weir.RetryLaterError, or a [*FetchError]
// unless Config.Fallback says otherwise.
func (l *ContentLookup[T]) Lookup(ctx context.Context, queries []Query, found []*T) error {
	needs := make([]need, len(queries))
	for i := range queries {
		if queries[i].Type == "" {
			return fmt.Errorf("configurations: %v: %w", queries[i], errNoType)
		}
		needs[i] = needOf(&queries[i], queries[i].Type)
	}
	c := l.configurations
	if err := c.resolve(ctx, needs); err != nil {
		return fmt.Errorf("configurations: %w", err)
	}
	for i := range needs {
		n := &needs[i]
		var err error
		switch {
		case n.loaded != nil:
			found[i], err = use(c.contents, n.version.content, n.loaded, l, l.decode)
		case n.err != nil && c.config.Fallback == FallbackError:
			err = n.err
		default:
			found[i] = l.fill
		}
		if err != nil {
			return fmt.Errorf("configurations: %v: %w", queries[i], err)
		}
	}
	return nil
}

var errNoType = errors.New("the query names no type")

func (l *ContentLookup[T]) decode(content *loaded) (*T, error) {
	v, err := l.codec.Decode(&codec.Context{Part: codec.Value}, content.data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrContent, err)
	}
	return &v, nil
}
