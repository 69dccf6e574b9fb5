package operator

import "github.com/weirstreams/weir"

// released has the errors of records that a join has kept, and that another record, or event time, has released. It is a [Buffer] of these errors: each
// goes to the policy as that of the kept record, and the record that has released it is processed all the same.
type released struct {
	env    *Env
	failed []releasedError
}

type releasedError struct {
	err    error
	origin weir.Origin
	at     int // the node
}

func newReleased(env *Env) *released {
	r := &released{env: env}
	env.Buffers = append(env.Buffers, r)
	return r
}

// emit calls f, which emits a kept record, while the origin of the task is that of the kept record; that is from, or, if from is nil, as it is. It
// returns errors that are marked by Fatal, and keeps others, and panics, for Settle.
func (r *released) emit(from *heldOrigin, f func() error) error {
	releasing := r.env.Origin
	if from != nil {
		r.env.Origin = from.origin(releasing.Partition)
	}
	if err := protect(f); err != nil {
		if IsFatal(err) {
			return err // of the kept record
		}
		r.failed = append(r.failed, releasedError{err: err, origin: r.env.Origin, at: r.env.At})
	}
	r.env.Origin = releasing
	return nil
}

// Settle implements [Buffer].
func (r *released) Settle() error {
	if len(r.failed) == 0 {
		return nil
	}
	first := r.failed[0]
	r.failed = r.failed[1:]
	r.env.Origin = first.origin
	r.env.Enter(first.at)
	return first.err
}

// Full implements [Buffer]: an error is reported before the next record is processed.
func (r *released) Full() bool { return len(r.failed) > 0 }

// Held implements [Buffer].
func (r *released) Held() int { return len(r.failed) }

// Discard implements [Buffer].
func (r *released) Discard() { r.failed = nil }
