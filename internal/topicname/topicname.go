// Package topicname holds Kafka's rules for the names of topics (org.apache.kafka.common.internals.Topic), which names that
// become a part of a topic's name follow as well.
package topicname

import (
	"errors"
	"fmt"
	"strings"
)

// MaxLength is the greatest number of bytes of a name. With a partition number it has to fit a file name.
const MaxLength = 249

// Check returns the mistake in the name of a topic, or nil. The error does not repeat the name.
func Check(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case name == "." || name == "..":
		return errors.New("not a name that Kafka allows")
	case len(name) > MaxLength:
		return fmt.Errorf("the name has %d characters, Kafka allows %d", len(name), MaxLength)
	}
	return CheckPart(name)
}

// CheckPart returns the mistake in a name that becomes a part of a topic's name, or nil. It may be empty.
func CheckPart(part string) error {
	if i := strings.IndexFunc(part, illegal); i >= 0 {
		return fmt.Errorf("the character at %d is not a letter, digit, '.', '_' or '-'", i)
	}
	return nil
}

func illegal(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
}
