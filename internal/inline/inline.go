// Package inline marks the contexts of calls that the worker of a test makes itself, one after the other: the results must not depend on
// the speed of goroutines then.
package inline

import "context"

type mark struct{}

// With returns a marked context.
func With(ctx context.Context) context.Context { return context.WithValue(ctx, mark{}, true) }

// In reports whether a context is marked.
func In(ctx context.Context) bool { return ctx.Value(mark{}) != nil }
