package source

import "fmt"

// Error says that a source could not be read. It ends App.Run.
type Error struct {
	// Source is the name of the source in the topology.
	Source string
	// Split is the ID of the split, empty if the splits themselves are not known.
	Split string
	// Doing names the call: "look for splits", "open", "read".
	Doing string
	// Attempts is how many times it was made.
	Attempts int
	// Err is the error of the last one.
	Err error
}

// Error names the source, the split, the call and the cause.
func (e *Error) Error() string {
	text := fmt.Sprintf("source %q", e.Source)
	if e.Split != "" {
		text += fmt.Sprintf(": split %q", e.Split)
	}
	text += ": " + e.Doing
	if e.Attempts > 1 {
		text += fmt.Sprintf(", %d times", e.Attempts)
	}
	return fmt.Sprintf("%s: %v", text, e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }
