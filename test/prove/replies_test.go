// SPDX-License-Identifier: MPL-2.0

package prove

// arrival says whether Finicity gets a call. For an authentication, it makes no
// difference.
type arrival int

const (
	arrives    arrival = iota
	isOnItsWay         // It arrives within a day, or never.
	isCopied           // It arrives, and a copy of it is on its way.
	isStopped          // A gateway stops it.
)

// answer says which answer the engine gets.
type answer int

const (
	truth      answer = iota // Finicity's own answer.
	silence                  // A timeout, or a gateway's 502.
	notSent                  // No connection.
	forbidden                // A gateway's 403, which is not a verdict on the secret.
	codeless                 // A 401 without a code.
	noContent                // A gateway's own 204 to a change.
	policy                   // 24437 to a change, which may be for a second copy of it.
	invalid                  // 10001 to a change, for a second copy of it.
	died                     // No answer, because the process has died.
	notStored                // Finicity's own answer, which storage does not accept.
	notCharged               // The write that charges the attempt takes effect and fails, so there is no call.
)

// reply is the outcome of a call. Some outcomes are left out, because another one
// covers all their effects: a dropped change is one that is on its way and never
// arrives.
type reply struct {
	name    string
	arrival arrival
	answer  answer
}

func honest() reply { return reply{"answered", arrives, truth} }

// authentications are the possible outcomes of a read.
func authentications() []reply {
	return []reply{
		honest(),
		{"no answer", arrives, silence},
		{"a gateway answers 403", isStopped, forbidden},
		{"a gateway answers 401 without a code", isStopped, codeless},
		{"the process dies before the answer is stored", arrives, died},
		{"storage does not take the outcome", arrives, notStored},
		{"the write before the call fails, and took effect", isStopped, notCharged},
	}
}

// changes are the possible outcomes of the change in a rotation.
func changes() []reply {
	return []reply{
		honest(),
		{"answered, and a copy of the change is on its way", isCopied, truth},
		{"carried out, no answer, and a copy is on its way", isCopied, silence},
		{"on its way, no answer", isOnItsWay, silence},
		{"no connection", isStopped, notSent},
		{"carried out, and a gateway answers 403", arrives, forbidden},
		{"on its way, and a gateway answers 403", isOnItsWay, forbidden},
		{"on its way, and a gateway answers 204", isOnItsWay, noContent},
		{"carried out, and a copy is answered 24437", arrives, policy},
		{"on its way, and a copy is answered 24437", isOnItsWay, policy},
		{"carried out, and a copy is answered 401 with 10001", arrives, invalid},
		{"carried out, and the process dies before the answer is stored", arrives, died},
		{"on its way, and the process dies", isOnItsWay, died},
		{"carried out, and storage takes no more writes", arrives, notStored},
		{"the write before the call fails, and took effect", isStopped, notCharged},
	}
}
