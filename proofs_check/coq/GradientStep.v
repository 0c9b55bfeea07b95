(* One step of gradient descent changes a quadratic law by exactly eta^2 times the law of the gradient.

   If h is quadratic with polar form b, and b(theta, g) = 0 (which says that h is conserved by theta' = - g), then
       h(theta - eta g) = h(theta) + eta^2 h(g).
   For two adjacent linear layers, over any commutative ring, of any sizes, with any step size:
       B_1^T B_1 - A_1 A_1^T = (B^T B - A A^T) + eta^2 (g_B^T g_B - g_A g_A^T). *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import ring.
From theorylab Require Import Calculus.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Quadratic.
Variables (K : comRingType) (V U : lmodType K) (h : V -> U) (polar : V -> V -> U).
Hypothesis quadratic : forall x y c, h (x + c *: y) = h x + c *: polar x y + c ^+ 2 *: h y.

Theorem quadratic_law_step theta g eta : polar theta g = 0 ->
  h (theta - eta *: g) = h theta + eta ^+ 2 *: h g.
Proof. by move=> law; rewrite -scaleNr quadratic law scaler0 addr0 sqrrN. Qed.
End Quadratic.

Section Layers.
Variables (K : comRingType) (p q r n : nat).
Variables (A : 'M[K]_(p, q)) (B : 'M[K]_(r, p)) (h : 'M[K]_(q, n)) (e : 'M[K]_(r, n)) (eta : K).

(* The gradients: h is the input of A, e the gradient of the loss with respect to the output of B. *)
Let gA := B^T *m e *m h^T.
Let gB := e *m (A *m h)^T.

Theorem linear_layers_step :
  (B - eta *: gB)^T *m (B - eta *: gB) - (A - eta *: gA) *m (A - eta *: gA)^T =
  (B^T *m B - A *m A^T) + eta ^+ 2 *: (gB^T *m gB - gA *m gA^T).
Proof.
rewrite /gA /gB.
rewrite !(trmxD, trmxN, trmxZ, trmx_mul, trmxK) !(mulmxDl, mulmxDr, mulNmx, mulmxN) -!scalemxAl -!scalemxAr !mulmxA.
move: (A *m h *m e^T *m B) (B^T *m e *m h^T *m A^T) (B^T *m B) (A *m A^T) => y z bb aa.
move: (A *m h *m e^T *m e *m h^T *m A^T) (B^T *m e *m h^T *m h *m e^T *m B) => u v.
apply/matrixP => i j; rewrite !mxE.
move: (y i j) (z i j) (bb i j) (aa i j) (u i j) (v i j) => c1 c2 c3 c4 c5 c6.
ring.
Qed.
End Layers.

Print Assumptions quadratic_law_step.
Print Assumptions linear_layers_step.
