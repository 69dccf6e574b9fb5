package config

import (
	"errors"
	"fmt"

	"github.com/weirstreams/weir/row"
)

// path is a JSONPath expression: RFC 9535 without function extensions. These are its selectors:
//
//	$             the whole content; it may be left out in front of a name
//	.name ['name'] ["name"]
//	[0] [-1]      an element, counted from the end if it is negative
//	[1:5:2]       a slice
//	.* [*]        all members or elements
//	..name ..[0]  at any depth
//	[0,'a']       several of them
//	[?@.n > 1 && (@.v == 'x' || !@.w)]
//
// A filter compares literals and paths that find one value at most, from the element (@) or the content ($), or asks whether a
// path finds anything. Its parentheses may be left out.
//
// Matches come in the order of the text: a value before the values in it. A path may find the same value many times, more often
// with each "..", list of names or filter, so the work of a search is bounded.
type path struct {
	text     string
	segments []segment
}

// segment goes from values to values in them.
type segment struct {
	descend   bool // it begins with "..": it counts for a value and all containers in it
	selectors []selector
}

// selector appends the selected members and elements of a container.
type selector interface {
	choose(s *search, to []row.Value, from row.Value) []row.Value
}

func parsePath(text string) (path, error) {
	if text == "" {
		return path{}, errors.New(`path is empty: the whole content is "$"`)
	}
	segments, err := parse(text)
	if err != nil {
		return path{}, fmt.Errorf("path %q: %w", text, err)
	}
	return path{text, segments}, nil
}

// find returns the matches of the path in content of a size in bytes.
func (p path) find(content row.Value, size int) ([]row.Value, error) {
	return p.findWithin(content, workBase+workPerByte*size)
}

// findWithin is find with a budget.
func (p path) findWithin(content row.Value, work int) ([]row.Value, error) {
	s := &search{root: content, left: work}
	found := s.follow([]row.Value{content}, p.segments)
	if s.left < 0 {
		return nil, fmt.Errorf("%w: path %q: %w", ErrContent, p.text, errTooMuchWork)
	}
	return found, nil
}

// The budget of a search. One pass over a content takes at most one unit for each of its bytes, mostly far fewer.
const (
	workBase    = 1 << 20
	workPerByte = 8
)

var errTooMuchWork = errors.New("it leads to too many places")
