package quixconfig

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirstreams/weir/codec"
)

// Contents returns a lookup that decodes whole contents. Its queries name the type. A query that no version is valid for finds
// nothing. Content that cannot be fetched, or decoded, makes it fail, unless it cannot be fetched and Config.Fallback says
// otherwise.
//
// A content is decoded once, and records share the result: nobody may change what it points to.
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

// Lookup implements join.Lookup.
func (l *ContentLookup[T]) Lookup(ctx context.Context, queries []Query, found []*T) error {
	needs := make([]need, len(queries))
	for i := range queries {
		if queries[i].Type == "" {
			return fmt.Errorf("quixconfig: %v: %w", queries[i], errNoType)
		}
		needs[i] = needOf(&queries[i], queries[i].Type)
	}
	c := l.configurations
	if err := c.resolve(ctx, needs); err != nil {
		return fmt.Errorf("quixconfig: %w", err)
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
			return fmt.Errorf("quixconfig: %v: %w", queries[i], err)
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
