package join

import (
	"errors"
	"fmt"
	"time"
)

// DefaultGrace is how long records are kept for a join unless the definition says otherwise.
const DefaultGrace = 7 * 24 * time.Hour

// definition has the settings of all joins with state.
type definition struct {
	name  string
	grace time.Duration
	codec [2]any // of the values of the left and the right side, or nil
}

func (d definition) storeName(fallback string) string {
	if d.name == "" {
		return fallback
	}
	return d.name
}

func (d definition) validate() (problems []error) {
	if err := checkDuration("Grace", d.grace); err != nil {
		problems = append(problems, err)
	}
	return problems
}

func checkDuration(what string, d time.Duration) error {
	switch {
	case d < 0:
		return fmt.Errorf("%s is %v: it cannot be negative", what, d)
	case d%time.Millisecond != 0:
		return fmt.Errorf("%s is %v: times are whole milliseconds", what, d)
	case d > maxDuration:
		return fmt.Errorf("%s is %v: the greatest is %v", what, d, maxDuration)
	}
	return nil
}

// maxDuration keeps arithmetic on times from overflowing.
const maxDuration = 100 * 365 * 24 * time.Hour

var errNoTolerance = errors.New("Forward and Nearest need a Tolerance: it is how long a record waits for a match; or set Wait, which bounds it by the clock")
