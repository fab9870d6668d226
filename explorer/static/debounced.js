// The values of all triggers as one text, which changes once however many of them do; as it was while the condition does not hold.
(state, front, ...values) => $when ? JSON.stringify(values) : state
