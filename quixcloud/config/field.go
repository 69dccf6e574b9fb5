package config

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/weirstreams/weir/row"
)

// Field is a column that a lookup makes of content. [JSON] and [Text] make one; methods return a changed copy.
type Field struct {
	column string
	kind   string
	path   string
	text   bool // the whole content, without a path
	all    bool
	// unresolved is set if the column names types of configurations, and is none of a content.
	unresolved bool
	// fill is the default, if there is one.
	fill    row.Value
	hasFill bool
}

// JSON makes a column of the first match of a JSONPath expression in JSON content: "$" is all of it, "$.limits.max" a
// member, "$..id" every id at any depth, "$.list[?@.n > 1]" the elements that a filter lets through. Paths are those of RFC 9535
// without function extensions; "$" may be left out in front of a name. Matches are in the order of the text. kind is the type of the configuration; if it
// is empty that of the query counts.
func JSON(column, kind, path string) Field { return Field{column: column, kind: kind, path: path} }

// Text makes a column of the whole content as text, which has to be UTF-8. For other content see Configurations.Contents with
// codec.Bytes.
func Text(column, kind string) Field { return Field{column: column, kind: kind, text: true} }

// Unresolved makes a column of the types of configurations that the other fields ask for and that gave nothing, because no version is valid or,
// with FallbackDefault, because its content cannot be fetched: a sorted list of texts, which is empty if there are none. A path that finds
// nothing in content that is there is not unresolved. It tells a default from content, as in the condition of [join.Buffered].
func Unresolved(column string) Field { return Field{column: column, unresolved: true} }

// All makes the column a list of all that the path finds, which may be empty.
func (f Field) All() Field {
	f.all = true
	return f
}

// Default gives the column a value where there is no configuration, no version that is valid, or nothing at the path, and
// where FallbackDefault counts. Without one each of that is an error.
func (f Field) Default[T row.Constant](v T) Field {
	f.fill, f.hasFill = row.Of(v), true
	return f
}

// maker makes the column of content.
type maker func(*loaded) (row.Value, error)

// maker returns the function that makes the column, or the mistake in the field.
func (f Field) maker() (maker, error) {
	if f.column == "" {
		return nil, errors.New("it has no column")
	}
	if f.unresolved {
		if f.all || f.hasFill {
			return nil, errors.New("All and Default are not for Unresolved")
		}
		return nil, nil
	}
	if f.text {
		if f.all {
			return nil, errors.New("All is for JSON")
		}
		return text, nil
	}
	p, err := parsePath(f.path)
	if err != nil {
		return nil, err
	}
	return func(l *loaded) (row.Value, error) {
		content, err := l.value()
		if err != nil {
			return row.Value{}, err
		}
		found, err := p.find(content, len(l.data))
		switch {
		case err != nil:
			return row.Value{}, err
		case f.all:
			return row.List(found...), nil
		case len(found) > 0:
			return found[0], nil
		case f.hasFill:
			return f.fill, nil
		}
		return row.Value{}, fmt.Errorf("%w: path %q finds nothing", ErrMissing, f.path)
	}, nil
}

func text(l *loaded) (row.Value, error) {
	if !utf8.Valid(l.data) {
		return row.Value{}, fmt.Errorf("%w: it is not UTF-8", ErrContent)
	}
	return row.String(string(l.data)), nil
}
