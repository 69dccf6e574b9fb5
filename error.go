package weir

import (
	"errors"
	"fmt"
	"time"
)

// Errors of App.Run, App.Plan, producers, consumers and queries, to be found with errors.Is. docs/errors.md lists their causes and remedies.
var (
	// ErrUnavailable says that no broker could be reached, for longer than Config.BrokerTimeout.
	ErrUnavailable = errors.New("no broker of the cluster can be reached")
	// ErrUnauthorized says that the cluster refused access, or that it is not one to be trusted.
	ErrUnauthorized = errors.New("not authorized")
	// ErrFenced says that another member or producer has taken over, for instance a second process with the same Config.Membership.InstanceID.
	ErrFenced = errors.New("fenced: another member has taken over")
	// ErrUnknownTopic says that a topic or partition does not exist.
	ErrUnknownTopic = errors.New("unknown topic or partition")
	// ErrTopicSettings says that topics on the cluster do not fit the topology.
	ErrTopicSettings = errors.New("topics")
	// ErrNoOffset says that a group has committed no offset of a partition, and the offset reset says to fail (kafka.NoReset).
	ErrNoOffset = errors.New("no committed offset")
	// ErrUndecided says that it is not known whether a transaction was committed. The producer is of no more use; a new one with the same
	// transactional id decides it.
	ErrUndecided = errors.New("it is not known whether the transaction was committed")
	// ErrLostInput says that the next record of a partition is gone, and Config.Topics.OnLostInput does not say how to go on.
	ErrLostInput = errors.New("input is lost")
	// ErrLostState says that the first records of a changelog are gone, with rows that no local database has, and Config.Topics.OnLostInput
	// does not say how to go on.
	ErrLostState = errors.New("state is lost")
	// ErrCorruptState says that the files of a database are damaged or missing. Full disks, missing permissions and other failures
	// that may pass are not ErrCorruptState.
	ErrCorruptState = errors.New("database is corrupt")
	// ErrDefinitionChanged says that the state of the version before would be lost or misread by this one.
	ErrDefinitionChanged = errors.New("definitions differ from those of the stored state")
	// ErrLocked says that another process uses the state directory.
	ErrLocked = errors.New("locked")
	// ErrMembers says that a group has members, and that App.Reset changes nothing therefore.
	ErrMembers = errors.New("the group has members")
	// ErrTooManyLetters says that a greater share of the records would become dead letters than DeadLetterOptions.MaxShare allows.
	ErrTooManyLetters = errors.New("too many records fail")
	// ErrNotOwner says that another member of the group has the partition of a store that a query asks for.
	ErrNotOwner = errors.New("another member has the partition")
	// ErrMoved says that no member has the partition of a store yet, because it is on its way from one to another: ask again.
	ErrMoved = errors.New("the partition is on its way to a member")
	// ErrRestoring says that the member with the partition of a store restores it from the changelog: ask again.
	ErrRestoring = errors.New("the partition is being restored")
	// ErrBehind says that a store does not reflect the position that a query asks for yet: ask again.
	ErrBehind = errors.New("the store is behind the position")
	// ErrUnknownStore says that the topology has no store of that name, or that it is not open to queries.
	ErrUnknownStore = errors.New("unknown store")
	// ErrConfiguration says that a configuration or a topology has mistakes. The error names all of them.
	ErrConfiguration = errors.New("config")
)

// RetryLaterError says that a target, a lookup or another place outside of Kafka cannot be used for a while. A sink's Flush, a
// lookup, a source or a function of MapAsync that returns it, wrapped or not, makes the worker stop reading input, keep its records, and try again after the time. No
// record is lost or processed twice for it. Other workers go on, and so do rebalances; partitions that are given up
// meanwhile are processed again by their next owner, from the checkpoint before.
type RetryLaterError struct {
	// RetryAfter is the time to wait, as the place has asked for if it says so. 0 means 1 s.
	RetryAfter time.Duration
	// Err is the answer of the place. It may be nil.
	Err error
}

// Error names the time and the answer.
func (e *RetryLaterError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("not available for %v", e.Wait())
	}
	return fmt.Sprintf("not available for %v: %v", e.Wait(), e.Err)
}

// Unwrap returns Err.
func (e *RetryLaterError) Unwrap() error { return e.Err }

// Wait returns RetryAfter, or its default.
func (e *RetryLaterError) Wait() time.Duration {
	if e.RetryAfter <= 0 {
		return time.Second
	}
	return e.RetryAfter
}
