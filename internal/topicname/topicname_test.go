package topicname_test

import (
	"strings"
	"testing"

	"github.com/weirstreams/weir/internal/topicname"
)

func TestNamesThatKafkaRefusesAreWrong(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"orders", ""},
		{"Orders.v2_x-9", ""},
		{"...", ""},
		{strings.Repeat("x", 249), ""},
		{"", "the name is empty"},
		{".", "not a name that Kafka allows"},
		{"..", "not a name that Kafka allows"},
		{strings.Repeat("x", 250), "the name has 250 characters, Kafka allows 249"},
		{"a b", "the character at 1 is not a letter, digit, '.', '_' or '-'"},
		{"ordér", "the character at 3 is not a letter, digit, '.', '_' or '-'"},
		{"a/b", "the character at 1 is not a letter, digit, '.', '_' or '-'"},
	} {
		got := ""
		if err := topicname.Check(c.name); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q: got %q, want %q", c.name, got, c.want)
		}
	}
}
