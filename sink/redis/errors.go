package redis

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

// verdict says what an error of a command means.
type verdict int8

const (
	// ofRecord is an error of the record: its Redis value is of another kind, an argument is wrong.
	ofRecord verdict = iota
	// passing is an error that goes away: the server is away, loading, out of memory, a replica.
	passing
	// moved says that another node of the cluster has the slot now.
	moved
	// unknownScript says that the server has lost the script.
	unknownScript
	// final is an error that no record has made and no time mends: a missing permission, a wrong password.
	final
)

var verdicts = []struct {
	prefix string
	verdict
}{
	{"MOVED ", moved},
	{"ASK ", moved},
	{"NOSCRIPT ", unknownScript},
	{"LOADING ", passing},
	{"READONLY ", passing},
	{"CLUSTERDOWN ", passing},
	{"MASTERDOWN ", passing},
	{"TRYAGAIN ", passing},
	{"BUSY ", passing},
	{"OOM ", passing},
	{"MISCONF ", passing},
	{"NOREPLICAS ", passing},
	{"UNBLOCKED ", passing},
	{"ERR max number of clients reached", passing},
	{"ERR max client connection", passing},
	{"NOAUTH ", final},
	{"WRONGPASS ", final},
	{"NOPERM ", final},
	{"ERR AUTH ", final},
	{"ERR invalid password", final},
	{"ERR This instance has cluster support disabled", final},
	{"ERR DB index is out of range", final},
	{"ERR SELECT is not allowed", final},
}

// judge returns the meaning of an error that is not nil.
func judge(err error) verdict {
	if answer, ok := errors.AsType[redis.Error](err); ok {
		return judgeText(answer.Error())
	}
	var network net.Error
	switch {
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, redis.ErrPoolExhausted), errors.Is(err, redis.ErrClosed),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return passing
	}
	return final
}

// judgeText returns the meaning of the error text of a server.
func judgeText(text string) verdict {
	text = strings.TrimPrefix(text, "-")
	for _, v := range verdicts {
		if strings.HasPrefix(text, v.prefix) {
			return v.verdict
		}
	}
	if strings.Contains(text, "ACL failure in script") || strings.Contains(text, "executing the script can't") {
		return final
	}
	return ofRecord
}

// passes reports whether another attempt can help.
func passes(err error) bool { return judge(err) == passing }
