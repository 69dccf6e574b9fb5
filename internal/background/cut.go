package background

import "context"

// Cut is the part of a writer's records that one checkpoint covers, while it is written beside the task. It returns how far that is. It may be called
// by the goroutine of the task only.
type Cut func() Progress

// Progress says how far a [Cut] is written.
type Progress int8

const (
	// Writing says that the records are still being written.
	Writing Progress = iota
	// Written says that all of them are written for good.
	Written
	// Failed says that they are not going to be written before the next Flush of the writer, which returns the error.
	Failed
)

// Cutter is a writer of a sink whose records of a checkpoint can be written beside those that come next.
type Cutter interface {
	// Cut begins to write all records that were added, and returns at once. ended is called when it is known what has become of them, on
	// another goroutine perhaps. The result is nil if the writer writes in its Flush only. The next Cut, Flush or Discard takes the place of this one.
	Cut(ctx context.Context, ended func()) Cut
}

// CutOf calls Cut of a writer, and returns nil if it is no [Cutter].
func CutOf(ctx context.Context, writer any, ended func()) Cut {
	if c, ok := writer.(Cutter); ok {
		return c.Cut(ctx, ended)
	}
	return nil
}
