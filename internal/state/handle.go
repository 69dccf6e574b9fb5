package state

import (
	"errors"
	"fmt"
	"slices"
)

// Handle declares the state of an operator: a [CellHandle], a [MapHandle], a [TimersHandle], or a [Declaration] of package store.
// T is the argument of the operator's function.
type Handle[T any] interface {
	// OpenIn opens the stores in a task, through the Opener.
	OpenIn(o *Opener) T
}

// Keyed is a store with state that belongs to the key of a record.
type Keyed interface {
	Store
	// Enter puts the store on the key of a record with that event time in milliseconds. Operators call it. The key is
	// not kept.
	Enter(key []byte, millis int64) error
}

// Opener opens the stores of one task, each once, however many operators use it.
type Opener struct {
	// Space returns the part of the task's database that belongs to a store.
	Space func(name string) (Space, error)
	// ShowKey is that of the stores that are opened next; see [Space].
	ShowKey func(key []byte) string
	// Opened is told of each store when it is opened.
	Opened func(Store)

	uses    []*Use
	current []*Use // of the operator for which stores are opened
	err     error
	broken  bool // a store could not be opened
}

// Use is a store that operators of a task use.
type Use struct {
	Name  string
	Store Keyed
	// Handle is the declaration of the store: the same for all operators.
	Handle any
	// Keeps names the types of the store's content and their codecs, the same in every build.
	Keeps string
	// Unlogged says that the store has no changelog.
	Unlogged bool
	// Operators is how many use it.
	Operators int
}

// OpenStores opens the stores of one operator. Operators call it.
func OpenStores[T any](o *Opener, h Handle[T]) (T, []*Use, error) {
	o.current, o.err = nil, nil
	stores := h.OpenIn(o)
	for _, u := range o.current {
		u.Operators++
	}
	return stores, o.current, o.err
}

// Declared returns the stores that a handle stands for.
func Declared[T any](h Handle[T]) ([]*Use, error) {
	// The stores are opened in no database, which only their use would need.
	o := &Opener{Space: func(string) (Space, error) { return Space{}, nil }, Opened: func(Store) {}}
	_, uses, err := OpenStores(o, h)
	return uses, err
}

var errNilHandle = errors.New("the store is nil")

// OpenHandle opens the stores of a declaration of package store, which sets it. The types of that package show nothing of this one.
var OpenHandle func(declaration any, o *Opener) any

// Declaration returns the handle of a declaration of package store, whose stores are a T.
func Declaration[T any](d any) Handle[T] { return declaration[T]{d} }

type declaration[T any] struct{ declared any }

// OpenIn implements [Handle].
func (d declaration[T]) OpenIn(o *Opener) T {
	if d.declared == nil {
		o.fail(errNilHandle)
		var none T
		return none
	}
	return OpenHandle(d.declared, o).(T)
}

func (o *Opener) fail(err error) { o.err = errors.Join(o.err, err) }

// open returns the store of a name, opened if it is not.
func open[T Keyed](o *Opener, name string, ttl int64, keeps string, handle any, unlogged bool, open func(Space) T) T {
	if ttl <= 0 {
		o.fail(fmt.Errorf("store %q: the time to live must be positive", name))
	}
	i := slices.IndexFunc(o.uses, func(u *Use) bool { return u.Name == name })
	if i < 0 {
		// A database that has failed is not used any more: its content is unknown.
		var none T
		if o.broken {
			return none
		}
		space, err := o.Space(name)
		if err != nil {
			o.broken = true
			o.fail(fmt.Errorf("open store %q: %w", name, err))
			return none
		}
		space.ShowKey = o.ShowKey
		s := open(space)
		o.Opened(s)
		i = len(o.uses)
		o.uses = append(o.uses, &Use{Name: name, Store: s, Handle: handle, Keeps: keeps, Unlogged: unlogged})
	}
	u := o.uses[i]
	if !slices.Contains(o.current, u) {
		o.current = append(o.current, u)
	}
	s, ok := u.Store.(T)
	if !ok || u.Handle != handle {
		o.fail(fmt.Errorf("store %q is declared twice: use one handle", name))
	}
	return s
}
