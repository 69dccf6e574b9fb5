package store

import "github.com/weirstreams/weir/internal/state"

// Handle declares the state of an operator: a [CellHandle], a [MapHandle], a [VersionedHandle], a [TimersHandle], or a [Group] of stores. T is the
// argument of the operator's function.
type Handle[T any] interface {
	open(o *state.Opener) T
}

// Opener opens the stores of one operator in a task, for the function of a [Group].
type Opener struct{ inner *state.Opener }

// Open returns the store of a handle.
func (o *Opener) Open[T any](h Handle[T]) T {
	if h == nil {
		return state.Declaration[T](nil).OpenIn(o.inner)
	}
	return h.open(o.inner)
}

// Group declares several stores for one operator. open opens each of them and returns the argument of the function, such as
// a struct with a field for each:
//
//	type ledger struct {
//		Balance *store.Cell[int]
//		Recent  *store.Map[string, Payment]
//	}
//	ledgers := store.Group(func(o *store.Opener) ledger {
//		return ledger{Balance: o.Open(balance), Recent: o.Open(recent)}
//	})
//
// open is called once for each task and when the operator is declared, and must do nothing else.
func Group[T any](open func(*Opener) T) Handle[T] { return group[T](open) }

type group[T any] func(*Opener) T

func (g group[T]) open(o *state.Opener) T {
	if g == nil {
		return state.Declaration[T](nil).OpenIn(o)
	}
	return g(&Opener{o})
}

func (g group[T]) openAny(o *state.Opener) any { return g.open(o) }

// None is for an operator that keeps nothing.
func None() Handle[struct{}] { return group[struct{}](func(*Opener) struct{} { return struct{}{} }) }

func init() {
	state.OpenHandle = func(declaration any, o *state.Opener) any {
		return declaration.(interface{ openAny(o *state.Opener) any }).openAny(o)
	}
}
