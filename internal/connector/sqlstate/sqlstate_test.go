package sqlstate_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/weirstreams/weir/internal/connector/sqlstate"
)

// answer is an error of a server, as drivers have it.
type answer string

func (a answer) Error() string    { return "answer " + string(a) }
func (a answer) SQLState() string { return string(a) }

func TestErrorsOfAServerThatCannotAnswerNowPass(t *testing.T) {
	for code, want := range map[string]bool{
		"57014": true, "40001": true, "40P01": true, "55P03": true, "08006": true, "53300": true, "57P01": true, "57P03": true,
		"22001": false, "23505": false, "42P01": false, "28P01": false, "57000": false, "": false,
	} {
		passes, answered := sqlstate.Passes(fmt.Errorf("insert: %w", answer(code)))
		if passes != want || !answered {
			t.Errorf("%q: passes %v, answered %v, want %v", code, passes, answered, want)
		}
	}
	if passes, answered := sqlstate.Passes(errors.New("57014")); passes || answered {
		t.Error("an error without a state was taken for an answer")
	}
}

func TestLostConnectionsAreTold(t *testing.T) {
	for _, err := range []error{
		&net.OpError{Op: "dial", Err: errors.New("refused")}, net.ErrClosed, sql.ErrConnDone, io.ErrUnexpectedEOF, errors.New("conn closed"),
	} {
		if !sqlstate.Disconnected(fmt.Errorf("insert: %w", err)) {
			t.Errorf("%v was not taken for a lost connection", err)
		}
	}
	if sqlstate.Disconnected(errors.New("cannot encode a value")) {
		t.Error("an error of a value was taken for a lost connection")
	}
}
