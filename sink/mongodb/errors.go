package mongodb

import (
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/mongo"
)

// Codes of errors of the server: https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml.
const (
	codeUnauthorized         = 13
	codeAuthenticationFailed = 18
	codeUnsatisfiableConcern = 100
	codeUnknownConcern       = 79
	codeDuplicateKey         = 11000
)

// passing are codes of errors that time mends.
var passing = []int{
	6,     // HostUnreachable
	7,     // HostNotFound
	24,    // LockTimeout
	46,    // LockBusy
	50,    // MaxTimeMSExpired
	63,    // StaleShardVersion
	64,    // WriteConcernTimeout
	89,    // NetworkTimeout
	91,    // ShutdownInProgress
	112,   // WriteConflict
	117,   // ConflictingOperationInProgress
	133,   // FailedToSatisfyReadPreference
	134,   // ReadConcernMajorityNotAvailableYet
	146,   // ExceededMemoryLimit
	150,   // StaleEpoch
	189,   // PrimarySteppedDown
	202,   // NetworkInterfaceExceededTimeLimit
	262,   // ExceededTimeLimit
	365,   // ShardCannotRefreshDueToLocksHeld
	412,   // TenantMigrationConflict
	433,   // a Snapshot that is not available
	462,   // IngressRequestRateLimitExceeded
	9001,  // SocketException
	10058, // LegacyNotPrimary
	10107, // NotWritablePrimary
	11600, // InterruptedAtShutdown
	11602, // InterruptedDueToReplStateChange
	13388, // StaleConfig
	13435, // NotPrimaryNoSecondaryOk
	13436, // NotPrimaryOrSecondary
	14031, // OutOfDiskSpace
	16500, // TooManyRequests, of Azure Cosmos DB
}

// labels are those that the server and the driver put on errors that time mends.
var labels = []string{"NetworkError", "RetryableWriteError", "TransientTransactionError", "SystemOverloadedError", "RetryableError"}

// hasCode reports whether an error of the server has a code.
func hasCode(err error, code int) bool {
	return err != nil && slices.Contains(mongo.ErrorCodes(err), code)
}

// passes reports whether time mends an error of a command.
func passes(err error) bool {
	if err == nil || hasCode(err, codeAuthenticationFailed) || hasCode(err, codeUnauthorized) {
		return false
	}
	for _, code := range mongo.ErrorCodes(err) {
		if slices.Contains(passing, code) {
			return true
		}
	}
	if labeled, ok := errors.AsType[mongo.LabeledError](err); ok && slices.ContainsFunc(labels, labeled.HasErrorLabel) {
		return true
	}
	return away(err) || errors.Is(err, context.Canceled)
}

// away reports whether an attempt has waited for a server until its time was up: another one at once would wait as long.
func away(err error) bool { return mongo.IsTimeout(err) || errors.Is(err, context.DeadlineExceeded) }
