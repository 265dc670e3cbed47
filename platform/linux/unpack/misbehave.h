/*
 * misbehave — test builds only: does what a helper that was taken over would try,
 * after it was confined, and says how it went.
 */
#ifndef UNPACK_MISBEHAVE_H
#define UNPACK_MISBEHAVE_H

#ifdef GANTRY_TEST_HOOKS
/* GANTRY_UNPACK_MISBEHAVE=device|escape|socket|exec|ptrace|...: does not return if it is set. */
void misbehave(void);
#else
#define misbehave() (void)0
#endif

#endif
