package neo4j

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/neo4j/neo4j-go-driver/v5/neo4j"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
)

// longestMessage is the length of the part of a message of the server that an error shows.
const longestMessage = 500

// Codes of errors: https://neo4j.com/docs/status-codes/current/errors/all-errors/. Other codes of their classes stand for the class.
var (
	// wrongRecords are classes of errors of a record: a value of a wrong type, a constraint, a fault in the execution of a statement.
	wrongRecords = []string{"Neo.ClientError.Statement.", "Neo.ClientError.Schema.ConstraintValidationFailed", "Neo.ClientError.Procedure.", "Neo.ClientError.Request.", "Neo.DatabaseError.Statement."}
	// passing are errors of other classes than TransientError that time mends.
	passing = []string{
		"Neo.TransientError.", "Neo.DatabaseError.", "Neo.ClientError.Cluster.", "Neo.ClientError.General.ForbiddenOnReadOnlyDatabase", "Neo.ClientError.Security.AuthorizationExpired",
		"Neo.ClientError.Transaction.", "Neo.ClientError.Schema.ConstraintAlreadyExists",
	}
	// remedies are told with errors that a change of the settings mends.
	remedies = map[string]string{
		"Neo.ClientError.Security.Unauthorized":       "check Options.User and Options.Password",
		"Neo.ClientError.Security.CredentialsExpired": "the password has to be changed once before it is used: ALTER CURRENT USER SET PASSWORD",
		"Neo.ClientError.Security.Forbidden":          "the user lacks a privilege: it needs to read and write the graph, and to make constraints unless Options.FixedSchema is set",
		"Neo.ClientError.Database.DatabaseNotFound":   "check Options.Database",
	}
)

// meaning returns the error of an attempt: a [web.WrongRequest] if the server refuses a record, and a [web.Transient] if time mends it. ctx is that of the caller,
// which has not ended when the attempt's time was up.
func meaning(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	answer, ok := errors.AsType[*neo4j.Neo4jError](err)
	if !ok {
		if neo4j.IsUsageError(err) || errors.Is(err, weir.ErrConfiguration) {
			return err
		}
		if _, wrong := errors.AsType[*neo4j.InvalidAuthenticationError](err); wrong {
			return err
		}
		return &web.Transient{Err: err} // the connection, its certificate, or the time
	}
	is := func(prefix string) bool { return strings.HasPrefix(answer.Code, prefix) }
	text := strings.Join(strings.Fields(answer.Msg), " ")
	if len(text) > longestMessage {
		text = strings.ToValidUTF8(text[:longestMessage], "") + "..."
	}
	told := fmt.Errorf("%s: %s", answer.Code, text)
	if remedy := remedies[answer.Code]; remedy != "" {
		return fmt.Errorf("%w (%s)", told, remedy)
	}
	switch {
	case slices.ContainsFunc(wrongRecords, is):
		return &web.WrongRequest{Err: told}
	case slices.ContainsFunc(passing, is):
		return &web.Transient{Err: told}
	}
	return told
}

// permanent reports whether an error of Connect is one of the settings.
func permanent(err error) bool {
	_, passes := errors.AsType[*web.Transient](err)
	return !passes && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, weir.ErrConfiguration)
}
