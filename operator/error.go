package operator

import (
	"errors"
	"fmt"
)

// ProcessingError says that a record could not be processed: it did not decode or encode, a function given to an operator returned
// an error or panicked, or the cluster does not take a record or a state that it has made.
type ProcessingError struct {
	// Origin is the input record.
	Origin
	// Node is the operator, as Topology.Describe names it, and Site the line that declared it.
	Node, Site string
	// Err is the cause: a *CodecError, a *ProduceError, a *StateError, the error of the function, or the value of its panic.
	Err error
	// Stack is the stack of a panic, else nil.
	Stack []byte
}

// Error names topic, partition, offset, operator and line.
func (e *ProcessingError) Error() string {
	verb := ""
	if e.Stack != nil {
		verb = "panic: "
	}
	return fmt.Sprintf("process %s[%d] at offset %d: %s (%s): %s%v", e.Topic, e.Partition, e.Offset, e.Node, e.Site, verb, e.Err)
}

// Unwrap returns Err.
func (e *ProcessingError) Unwrap() error { return e.Err }

// Fatal marks an error that is not the record's fault, such as a database that cannot be read or a producer that has
// failed. No error policy may skip it.
func Fatal(err error) error {
	if err == nil {
		return nil
	}
	return &fatalError{err}
}

// IsFatal reports whether err was marked by Fatal.
func IsFatal(err error) bool {
	var f *fatalError
	return errors.As(err, &f)
}

type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }
